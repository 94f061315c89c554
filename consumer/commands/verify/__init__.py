"""
The command `verify`: which way the remote APIs are, where no document says it, and which setting to write.

A question is pure: it gives the calls that it wants, is told their answers, and says what is seen. So a table can try it, and the calls
that it may make can be shown without one.

    command       its options, and how what is seen is told
    question      the parts of a question: calls, answers, what is seen
    sesamy        the questions to Sesamy; it is only read
    make_reads    the questions to Make.as that write nothing
    may_write     the rule of which address may be written to
    make_contact  the questions that a written test contact answers
    make_rows     the questions that its products and subscriptions answer
    plan          the plan: which questions are asked, and which calls each may make
    work          the calls: through the gates, each shown before it is made
    report        the table, and the settings to write
"""
