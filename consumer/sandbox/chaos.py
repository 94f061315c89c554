"""The chaos of `local --chaos`: everything that happens to a consumer in a bad week, in half a minute."""

import anyio

from .session import Local
from .town import PLACES
from .troubles import BROKER, KILL, RECEIVER, Trouble, Troubles

_AWAY_S = 3.0


async def strike(sitting: Local) -> None:
    """Do all of it, and heal all of it; then `struck` is set."""
    troubles, (first, second, third) = Troubles(sitting), PLACES
    stormy = Trouble(name="429", upstream=first.account)
    await sitting.poison(every=True)
    await troubles.begin(stormy)
    await troubles.begin(Trouble(name="slow", upstream=second.account, delay_s=1.0))
    await anyio.sleep(4)
    await troubles.begin(Trouble(name="key", upstream=third.account))
    await troubles.heal(stormy)
    await anyio.sleep(2)
    await troubles.begin(RECEIVER)
    if sitting.kafka.can_restart:
        await troubles.begin(BROKER)
        await anyio.sleep(_AWAY_S)
        await troubles.heal(BROKER)
    await anyio.sleep(1)
    await troubles.heal(RECEIVER)
    await troubles.begin(KILL)
    await troubles.begin(Trouble(name="500", upstream=first.account))
    await troubles.heal(KILL)
    sitting.here.sesamy.revoke_tokens()
    await anyio.sleep(4)
    await troubles.heal_all()
    sitting.struck.set()
