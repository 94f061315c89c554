"""
Sesamy's side of the webhook.

    forwarder   sends events as Sesamy does: again, with a growing pause, until they are taken
    endpoint    where the town's webhook is, and its secret
"""
