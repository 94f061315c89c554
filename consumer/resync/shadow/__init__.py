"""
A run without a write: what a dry run has in place of a client that writes.

It reads and decides as a real run does, and says what would be written; no value of a reader is told.

    client      an account that is read and never written
    would       what would be written, in kinds and counts
    telling     counts and logs it
    read_only   the exchange of a dry run, which lets nothing through but questions
"""
