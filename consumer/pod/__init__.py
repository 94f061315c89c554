"""
One process of the group.

It puts the parts of the other folders together, and decides nothing about a user; no command is known here.

    process      the process: it starts the parts in order, answers the probes, and ends by signals
    service      the service: it builds the parts, and owns their lives
    membership   a member's life: join, watch, hand over, take up, drain
    reader/      one reader, found: why it got a newsletter or did not
    status/      the status: what the process says of itself
    watch/       the conditions that begin and end, logged and sent
"""
