"""
The sharing of bulk calls: which rows go together, and how a call that was refused is taken apart.

It sends nothing, and knows no API: rows are values by their key.

    load     the load of a shared call: which of those that wait go together
    apart    a refused call, halved until what is bad stands alone
    alone    the readers whose rows go alone, and whether all do
"""
