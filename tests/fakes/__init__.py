"""
What stands in for the real parts in tests of one part.

They behave, and record; none is told what to answer call by call, but for what goes wrong. What is real elsewhere (servers on
loopback, a broker) is not here.

answers    answers that are none, and their codes
backlog    a backlog that has partitions
desk       runs of a resync: a vendor, accounts, real gates
doors      gates that stand as a test puts them
letters    the letters of one pod
registers  a list's registers, whose rows a test gives
rules      numbers of the schedule
schedule   a schedule with short names for what is done to it
service    a pod that finds no Kafka
sides      Sesamy's and Make.as' side of a lookup
states     the six states of a pod that people meet
topic      a topic as it is read outside the group
upstreams  clients of Sesamy and Make.as
written    records of the dead-letter topic as they were written
"""
