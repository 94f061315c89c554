"""The retiring of contacts at addresses that their readers have left: they lose our tags, and nothing else."""

from collections.abc import Sequence

from msgspec import Struct

from ...core.drift.contacts import Finding
from ...core.errors import ConsumerError
from ...core.mapping.documents import Documents
from ...core.model import AccountId, UserKey
from ...pod.reader.compare import asking, fetched
from ...resync.clients import Upstreams
from ...resync.makeas import MakeAs


class Retired(Struct, kw_only=True):
    """What became of them."""

    done: int = 0
    kept: int = 0
    """They are not what they were when they were listed."""
    failed: int = 0


async def retire(up: Upstreams, moved: Sequence[Finding]) -> Retired:
    """
    Take our tags from each of these contacts, where its reader still has another address, and it still is the reader's.

    What fails is counted, and is left as it is.
    """
    retired = Retired()
    for one in moved:
        try:
            if await _retire(up, one):
                retired.done += 1
            else:
                retired.kept += 1
        except ConsumerError:
            retired.failed += 1
    return retired


async def _retire(up: Upstreams, one: Finding) -> bool:
    user = UserKey(one.vendor, one.user)
    wanted = await fetched(up, user)
    if not isinstance(wanted, Documents):
        return False
    account = AccountId(one.account)
    async with asking(up.gates.accounts[account], user.vendor, calls=2) as permit:
        client = up.vendors[user.vendor].targets[account].client
        assert isinstance(client, MakeAs)
        return await client.retire(one.contact, user.user, not_at=wanted.subscriber.email, permit=permit)
