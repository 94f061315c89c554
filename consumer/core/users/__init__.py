"""
The dirty users: which are due, and when.

It runs nothing: it says which run may begin, and takes what came of it.

    schedule   the dirty users: debounce, one run at a time, retries
    user       one dirty user: its tokens, its phase, and where it stands
    case       the case of a user in a run or in trouble
    debts      the debts of a user: what it owes to which account, and when it is tried again
    line       the users in line: which came first, and which is due next
    timers     the timers: which user's time comes next
    lanes      the lanes: which due user comes next
    splits     events of users that have an open one on another partition
    counts     the counts of users that wait, and for what
    settling   the settling of runs beside the pods: when one counts as done
"""
