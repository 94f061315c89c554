"""
The command `replay`: every user with an event in a range of the topic is resynced.

It joins no group, commits nothing and parks nothing.

    command   its options, and what is told of it
    work      the replay itself: plan, ask, run, report
    plan      the plan: which range was asked for, what of it is there, and what it will cost
    scan      the scan of the range: which users have events in it
    files     the state to go on from, and the report
"""
