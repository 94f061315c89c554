"""
One process of the group.

It puts the parts of the other folders together, and decides nothing about a user; no command is known here.

    process      starts the parts in order, answers the probes, and ends by signals
    service      builds the parts, and owns their lives
    membership   a member's life: join, watch, hand over, take up, drain
    reader/      one reader, found: why it got a newsletter or did not
    status/      what the process says of itself
    watch/       what of it begins and ends, logged and sent
"""
