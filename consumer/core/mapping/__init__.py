"""
What is written for a reader, from what Sesamy says of it.

It knows no call and no address of an API.

    documents   contact, products and subscriptions, from a snapshot
    tags        the standard `sesamy_` tags
    consent     which contacts left a list, and what that means for a write
    contact     a contact as Make.as has it, and what a resync changes of it
    kept        whether an account keeps what a contact is written with
"""
