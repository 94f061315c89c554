"""
The gates: each stands before an upstream, and lets users in.

It makes no call: a run asks to be let in, and tells what came of it.

    gates        one gate for each vendor and each account
    gate         one upstream's gate: when it is open, shut, or lets one probe in
    probing/     an upstream that is out, or has asked us to wait: when it is tried again
    places       the places: which users are inside, and which of them still hold one
    pace         the permits: rate, promises, a share of the limits
    expected     the calls that a run is expected to make
    window       the window: how many calls the upstream's answers say are left, and until when
    server_limit  the limit that they name, calls a minute
    heed         the heed that the pace gives both
    stops        the stops: what a gate is shut for from outside
    suspects     the suspects: whether a 403, or that a user is unknown, is about the user or about how we ask
    list_doors   the doors of an account's lists: which ones are left out
"""
