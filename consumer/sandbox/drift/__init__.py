"""
Drift in a sitting of `local`, on request.

    repaired    drift that is sown, and that `reconcile` finds and repairs as a process of its own
"""
