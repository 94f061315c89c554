"""
Sesamy's side of the webhook.

    forwarder   Sesamy's forwarder: it posts events again, with a growing pause, until they are taken
    endpoint    the place of the town's webhook, and its secret
"""
