"""
Fetches a user, maps it, writes it to every list.

Which user is due, and what follows from a failure, is the core's to say; Kafka is not known here.

    workers             run due users, a bounded number at once
    run                 one run: fetch, map, write every account, say what is still owed
    course              how far a run has come: what it may still wait for, ask and write
    pages               the pages of a long fetch, each paid behind others
    tally               what the runs have brought: metrics, one line of the log each
    sesamy              Sesamy's API in our nouns
    makeas              Make.as' API in our nouns: what writes
    make_reader         the same: what reads
    filters             whether each vendor heeds which user it is asked for
    clients             one client and one gate for each vendor and each account
    waits               waits that a stop ends, and things done together
    registers/          which contacts left each list
    listing/            lists of all readers and of all contacts
    ways/               switches: which way Make.as' API is, where no document says so
    sharing/            bulk calls that take rows of several readers
    http/               one bounded exchange
    shadow/             a run without a write
"""
