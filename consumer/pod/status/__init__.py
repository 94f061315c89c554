"""
The status of a pod: what it says of itself.

It changes nothing of the service, and shows no personal data.

    report    the status of now, made from the service
    tree      the shape of a status
    verdict   the verdict: what is so and what to do, in one look
    told/     the words for what a status says: the verdict, the lines, several pods as one
    explain   the explanation of one user: why it is not synced yet
    tables    a status as tables of words, for page and terminal
    passed_over   the events that were passed over, with the command that makes good for it
    page      a status as HTML
    gauges    a status as metrics
    server    probes, metrics and page over HTTP
    hour/     the last hour, by the minute, and its pictures
    peers/    the other pods: where they are, and what they say
"""
