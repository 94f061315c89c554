"""
What begins and ends: conditions of a pod that people must hear of, each told once when it begins and once when it ends.

It reads the status and nothing else, and is never in the way: neither a fault here nor a receiver that hangs holds the pod's work up.

    hello       the first line of a pod: what runs, on which settings
    standing    what holds now that somebody should know, made from a status
    conditions  which of it has begun and ended since the last look
    outbox      what is to be sent, and when it may be
    push        one notice after the other as a POST to the operator's own address
    watch       the part of the pod that looks, logs and sends
"""
