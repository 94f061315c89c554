"""
The conditions of a pod that people must know of, each told once when it begins and once when it ends.

It reads the status and nothing else, and is never in the way: neither a fault here nor a receiver that hangs holds the pod's work up.

    hello       the first line of a pod: what runs, on which settings
    standing    the conditions that hold now, made from a status
    conditions  the beginnings and ends of these since the last look
    outbox      the notices to be sent, and when each may be
    push        one notice after the other as a POST to the operator's own address
    watch       the part of the pod that looks, logs and sends
"""
