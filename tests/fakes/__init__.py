"""
What stands in for the real parts in tests of one part.

They behave, and record; none is told what to answer call by call. What is real elsewhere (servers on loopback, a broker) is not here.

doors     gates that stand as a test puts them
rules     numbers of the schedule
schedule  a schedule with short names for what is done to it
"""
