"""
Decides what to do, and does none of it.

No I/O, no clock, no chance and no log: time and draws are arguments, so every promise here can be tested to the second.

    backlog       users, open offsets and letters to write, always in step
    events        an event, from a record's bytes
    webhook       events, from a webhook's body
    users/        which users are due, and when
    gates/        what stands before an upstream
    letters/      what was parked, and when it is tried again
    mapping/      what is written for a reader
    sharing/      which rows share a bulk call, and how a refused one is taken apart
    drift/        what differs, of all readers together
    answers/      what others answer, and how it is read
    ledger        the offset that is safe to commit
    lease         until when our partitions are surely ours
    unknown       what events name and we don't know
    partitioner   the partition of a key
    model         the nouns of a run
    errors        errors, named by what to do next, and the exit statuses
    text          text for people
"""
