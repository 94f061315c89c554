"""
Keeps Make.as in step with Sesamy.

The walk of one event:

    Kafka record
      intake      poll; decode; unreadable -> dead letter; unknown type or vendor, a null value -> counted, and shown
      schedule    merge into the user; due after a quiet time; a token holds its offset open
      workers     the longest-due user whose gates let him in, urgent ones first; one run of a user at a time
      resync      sesamy.fetch -> snapshot; mapping.documents; every account at once
      makeas      [read contact -> upsert contact with tags] beside [products], then [subscriptions]
      schedule    nothing owed -> close the tokens older than the run; else owed again, after a backoff
      filters     beside it: each vendor is asked whether it heeds whose rows are asked for; until it has said so, nobody of it is fetched
      registers   beside it: who left each list is read and kept fresh; until it is, nobody is put on that list
      commits     the oldest open token of each partition is the offset to commit
      healing     what was parked is tried again: held letters by themselves, others when asked

`DESIGN.md` beside this file says why.
"""

__version__ = "0.1.0"
