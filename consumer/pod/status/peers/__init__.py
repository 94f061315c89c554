"""
The other pods of the group, as a pod's page shows them.

    addresses   the addresses of them, and which of them is this one
    asking      the rounds in which each is asked what it says of itself
    together    all of them on one page
"""
