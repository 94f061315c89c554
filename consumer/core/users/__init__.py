"""
Which users are due, and when.

It runs nothing: it says which run may begin, and takes what came of it.

    schedule   the dirty users: debounce, one run at a time, retries
    user       one dirty user: its tokens, its phase, and where it stands
    case       what only a user in a run or in trouble needs
    debts      what a user owes to which account, and when it is tried again
    line       the users in line: which came first, and which is due next
    timers     which user's time comes next
    lanes      which due user comes next
    splits     events of users that have an open one on another partition
    counts     how many users wait for what
    settling   when a run beside the pods counts as done
"""
