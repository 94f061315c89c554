"""
Logs, metrics, traces.

It is told things, and asks for none; it keeps personal data out of all three.

    logs      one event is one line, with declared fields only
    advice    the advice on the settings, a line each
    metrics   the counts of what happens
    receiving  the counts of what happens at a receiver of webhooks
    tracing   the switch of traces: whether there are any, and what may be told then
    traces    the spans of runs and calls, where a collector is named
    serving/  the HTTP of probes and metrics, and the ground for a page or a webhook
    loop      uvloop, or asyncio where it is not
    fences    bugs and foreign cancellations, logged and kept to what they were met for
"""
