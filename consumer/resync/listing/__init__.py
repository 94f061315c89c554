"""
Lists of all readers and of all contacts, read page by page through the gates.

It writes nothing upstream, and decides nothing of what differs.

    turns          one call after the other at an upstream, tried again as long as it is worth it
    sesamy_lists   all users, contracts and entitlements of one vendor
    make_lists     all contacts of one account's lists
"""
