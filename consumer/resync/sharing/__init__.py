"""
Bulk calls that take rows of several readers.

What rides together, and how a refused call is taken apart, is the core's to say (`core.sharing`).

    shared_rows    the rows of one account: one call at a time, what comes meanwhile goes with the next
    fare           the rows of one reader for one call, and what became of them
    rider          a reader's run, as a shared call must know it
"""
