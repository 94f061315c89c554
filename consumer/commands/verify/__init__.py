"""
The command `verify`: which way the remote APIs are, where no document says it, and which setting to write.

A question is pure: it gives the calls that it wants, is told their answers, and says what is seen. So a table can try it, and the calls
that it may make can be shown without one.

    command       its options, and how what is seen is told
    question      what a question is made of: calls, answers, what is seen
    sesamy        what Sesamy is asked; it is only read
    make_reads    what Make.as is asked without a write
    may_write     whether an address is one that may be written to
    make_contact  what writes of a test contact tell
    make_rows     what products and subscriptions of a test contact tell
    plan          which questions are asked, and which calls each may make
    work          the calls: through the gates, each shown before it is made
    report        the table, and the settings to write
"""
