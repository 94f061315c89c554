"""
The mapping: what is written for a reader, from what Sesamy says of it.

It knows no call and no address of an API.

    documents   contact, products and subscriptions, from a snapshot
    tags        the standard `sesamy_` tags
    consent     the consent: which contacts left a list, and what that means for a write
    contact     a contact as Make.as has it, and what a resync changes of it
    kept        the look back at a contact: whether the account has kept what was written
"""
