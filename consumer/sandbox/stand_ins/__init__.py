"""
The upstreams' stand-ins: strict, in memory, and served over real HTTP on loopback.

They may not share code with the consumer's own clients: one mistake in both would be none.

    sesamy        Sesamy's Management API
    sesamy_lists  Sesamy's calls that list a whole vendor, with switches for what no document settles
    rates         limits of requests at Sesamy, and the headers that tell them
    makeas        Make.as' subscribers API: the calls that write
    makeas_account  one customer's data there, and what persons and other tools do with it
    makeas_ways   the other answers to what no document settles of those calls
    makeas_reads  Make.as' calls that read, with switches for what no document settles
    faults        the faults of either, switched on and off
    server        an application as a server on loopback
"""
