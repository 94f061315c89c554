"""
The contacts that left each list, so that nobody is put back on it: read, and kept fresh.

What a register means for a write is said in `core/mapping/consent`.

    registers           those of all accounts of a process
    account_registers   those of one account, read at the pace of its gate
    lately              those that left lately, asked for anew before a contact that seems new is put on a list
    list_rows           the rows of one list, as Make.as gives them
"""
