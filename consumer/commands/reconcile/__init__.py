"""
The command `reconcile`: every reader of both sides is looked at, and those that differ are resynced.

    command      its options, and what is told of it
    work         the work: look, compare, ask, repair, report
    looking      both sides read whole, and compared
    first_load   readers that are nowhere at Make.as, written from what was read in bulk
    retire       the retiring of contacts at addresses that their readers have left: they lose our tags
    again        the look again at some repaired readers: has Make.as kept what was written?
    one_by_one   readers looked at singly, where a list can't be had
    state        the state: what was read, and what is done, in a file, so that it can go on after a crash
    plan         the plan: what looking costs at each upstream
    report       the report: how it went, as data
    told         the same, in words
    published    the same, list by list, in the dead-letter topic
"""
