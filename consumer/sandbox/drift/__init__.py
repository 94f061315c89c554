"""
Drift in a sitting of `local`, on request.

    repaired    drift is sown, and `reconcile` finds and repairs it as a process of its own
"""
