"""
The letters: what was parked, and when it is tried again.

It reads and writes no topic: records come in and go out as values.

    record    a letter or a mark as a record, both ways
    reconciled    the result of a reconcile at each list, as a record and as what is kept of it
    headers   the names of the headers, and what they say
    book      the letters that are open
    kinds     the counts of open letters, by kind
    history   every letter, and what became of it
    healing   the healing: which open letters are tried again, and when one is done
"""
