"""
An upstream that is out, or has asked us to wait: when it is tried again.

    streak      failures in a row, which say that it is out
    probe       the probe: why it is held to be out, which user may try it, and when
    patience    the patience with it: how long a Retry-After is heeded, and which one is tried out
"""
