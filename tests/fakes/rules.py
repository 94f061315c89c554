"""Numbers of the schedule."""

from msgspec.structs import replace

from consumer.core.users.debts import Rules

_USUAL = Rules(quiet_s=2.0, max_wait_s=30.0, concurrency=32, max_attempts=8, backoff_s=1.0, backoff_max_s=60.0)


def rules(**changed: float) -> Rules:
    """Return the settings' defaults, but for those named."""
    return replace(_USUAL, **changed)
