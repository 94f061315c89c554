"""
The core: it decides what to do, and does none of it.

No I/O, no clock, no chance and no log: time and draws are arguments, so every promise here can be tested to the second.

    backlog       users, open offsets and letters to write, always in step
    events        an event, from a record's bytes
    webhook       events, from a webhook's body
    users/        the dirty users: which are due, and when
    gates/        the gates: each stands before an upstream
    letters/      the letters: what was parked, and when it is tried again
    mapping/      the mapping: what is written for a reader
    sharing/      the sharing of bulk calls: which rows go together, and how a refused call is taken apart
    drift/        the drift: what differs, of all readers together
    answers/      the answers of others, and how they are read
    ledger        the offset that is safe to commit
    lease         the time until which our partitions are surely ours
    unknown       the unknown vendors and event types that events name
    partitioner   the partition of a key
    model         the nouns of a run
    errors        errors, named by what to do next, and the exit statuses
    text          text for people
"""
