"""
The last hour of a pod, minute by minute: kept in memory, and drawn.

    shapes      the last hour as a status shows it
    last_hour   the ring: sixty minutes of counts, and how fresh each list was
    filling     the filling of it: a look at the counters once a minute
    charts      a row of minutes as a picture, and in words
"""
