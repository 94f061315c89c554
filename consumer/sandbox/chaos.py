"""The chaos of `local --chaos`: everything that happens to a consumer in a bad week, in half a minute."""

import anyio

from .session import Local
from .stand_ins.faults import Fault
from .town import PLACES


async def strike(sitting: Local) -> None:
    """Do all of it, and heal all of it; then `struck` is set."""
    faults, (first, second, third) = sitting.here.makeas.faults, PLACES
    stormy = faults.add(Fault(kind="status", upstream=first.account, status=429, retry_after="2"))
    slow = faults.add(Fault(kind="delay", upstream=second.account, delay_s=1.0))
    await anyio.sleep(4)
    sitting.here.account(third).key = "rotated"
    faults.remove(stormy)
    await anyio.sleep(2)
    await sitting.kill_consumer()
    broken = faults.add(Fault(kind="status", upstream=first.account, status=503, times=20))
    await sitting.start_consumer()
    sitting.here.sesamy.revoke_tokens()
    await anyio.sleep(4)
    faults.remove(slow)
    faults.remove(broken)
    sitting.here.key_file(third.account).write_text("rotated\n", encoding="utf-8")
    sitting.struck.set()
