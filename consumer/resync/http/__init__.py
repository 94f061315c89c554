"""
One bounded JSON exchange over HTTP; no other folder of a pod asks over HTTP.

It knows no API: addresses, bodies and what a success says are its callers'.

    exchange   the request as it goes out, and one of our errors for every failure
    pool       the connections
    answers    the answer, and its JSON
    token      the access token of a client of Sesamy's
    heeding    the limits that an answer names, told to the gate
    refusals   the meaning of an answer that says no
"""
