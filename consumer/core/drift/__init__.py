"""
The drift: what differs between Sesamy's readers and the contacts at Make.as, looked at all together.

It keeps no name and no address, only prints of them, and decides what is looked at again; what is written is a resync's business.

    prints      keyed digests, in which values are compared and kept
    reduced     a row of Sesamy's lists, as little of it as is kept
    readers     all readers of one vendor, in few bytes each
    bulk        the same, whole and in memory alone, for a first load
    walk        the pages of a list that may move while it is read
    contacts    the contacts of one account, compared as they come
    findings    the findings: what differs, by kind, list and reader
    sound       the soundness of what was read, and how much may change
"""
