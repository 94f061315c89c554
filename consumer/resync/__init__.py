"""
The runs: each fetches a user, maps it, and writes it to every list.

Which user is due, and what follows from a failure, is the core's to say; Kafka is not known here.

    workers             the workers: they run due users, a bounded number at once
    run                 one run: fetch, map, write every account, say what is still owed
    course              the course of a run: what it may still wait for, ask and write
    pages               the pages of a long fetch, each paid behind others
    tally               the tally of the runs: metrics, one line of the log each
    sesamy              Sesamy's API in our nouns
    makeas              Make.as' API in our nouns: what writes
    make_reader         the same: what reads
    filters             the filters of vendors: whether each heeds which user it is asked for
    clients             one client and one gate for each vendor and each account
    waits               waits that a stop ends, and things done together
    registers/          the contacts that left each list
    listing/            lists of all readers and of all contacts
    ways/               switches: which way Make.as' API is, where no document says so
    sharing/            bulk calls that take rows of several readers
    http/               one bounded exchange
    shadow/             a run without a write
"""
