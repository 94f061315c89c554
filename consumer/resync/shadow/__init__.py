"""
A run without a write: what a dry run has in place of a client that writes.

It reads and decides as a real run does, and says what would be written; no value of a reader is told.

    client      an account that is read and never written
    would       the changes that would be made, in kinds and counts
    telling     the counts and the log of them
    read_only   the exchange of a dry run, which lets nothing through but questions
"""
