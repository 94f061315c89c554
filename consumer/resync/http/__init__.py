"""
One bounded JSON exchange over HTTP; no other folder of a pod asks over HTTP.

It knows no API: addresses, bodies and what a success says are its callers'.

    exchange   builds the request, and makes one of our errors of every failure
    pool       the connections
    answers    the answer, and its JSON
    token      the access token of a client of Sesamy's
    heeding    what it says of the upstream's limits, told to the gate
    refusals   what an answer means that says no
"""
