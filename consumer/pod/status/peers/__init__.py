"""
The other pods of the group, as a pod's page shows them.

    addresses   where they are, and which of them is this one
    asking      what each says of itself, asked in rounds
    together    all of them on one page
"""
