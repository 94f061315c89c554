"""
The words for what a status says, for page and terminal: pure, and the same for one pod and for many.

    words        names, numbers and times in words
    cells        the shapes of tables
    lines        the lines above the tables
    weigh        the verdict: all points of all pods, weighed
    upstreams    points of gates and lists
    pods         points of one pod: group, partitions, letters, what it does not know
    letters      groups of open letters, and their table
    reconciles   the last reconcile of each list, as a table
    backlog      the backlog: how much is to be done, and how long that takes at this rate
    merged       several pods as one
    all_pods     several pods as one, as tables of words
"""
