"""
What others answer, and how it is read.

Odd is not wrong: what can't be read is left out, and counted; no value is quoted.

    shapes     JSON that others wrote, field by field
    bounds     how much of a foreign text is looked at
    address    an address, however it is spelled
    sesamy     Sesamy's fields, and what an answer without any means
    snapshot   a reader as Sesamy has it now
    pages      when a list that comes in pages is whole
    owners     the owner of each entitlement
    makeas     what a success of Make.as says in its body
    said       what a refusal says in words, without any value
    vocabulary the words that it may say
"""
