"""
The answers of others, and how they are read.

Odd is not wrong: what can't be read is left out, and counted; no value is quoted.

    shapes     JSON that others wrote, field by field
    bounds     the bounds within which a foreign text is looked at
    address    an address, however it is spelled
    sesamy     Sesamy's fields, and what an answer without any means
    snapshot   a reader as Sesamy has it now
    pages      the pages of a list, and when it is whole
    owners     the owner of each entitlement
    makeas     the body of a success of Make.as
    said       the words of a refusal, without any value
    vocabulary the words that it may say
"""
