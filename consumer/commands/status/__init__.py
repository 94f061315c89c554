"""
The command `status`: what pods say of themselves, on a terminal.

    command    its options, and whether it is said once, as a stream or on a screen
    parts      the parts of a drawing: the verdict first, then one pod, or several as one
    fit        as much of it as a screen takes
    charts     the last hour as small charts of one line
"""
