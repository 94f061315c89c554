"""The retiring of contacts at addresses that their readers have left: they lose our tags, and nothing else."""

from collections.abc import Sequence

from msgspec import Struct, field

from ...core.answers.address import same_address
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
    to_repair: list[UserKey] = field(default_factory=list)
    """Readers that have moved meanwhile, maybe back, or of which that can't be known: their own tags may be gone. A resync mends it."""


async def retire(up: Upstreams, moved: Sequence[Finding]) -> Retired:
    """
    Take our tags from each of these contacts, where its reader still has another address, and it still is the reader's.

    What fails is counted, and is left as it is. Nothing here follows the topic: so each reader is looked at once more after the write.
    """
    retired = Retired()
    for one in moved:
        try:
            await _retire(up, one, retired)
        except ConsumerError:
            retired.failed += 1
    return retired


async def _retire(up: Upstreams, one: Finding, retired: Retired) -> None:
    user = UserKey(one.vendor, one.user)
    wanted = await fetched(up, user)
    email = wanted.subscriber.email if isinstance(wanted, Documents) else ""
    try:
        is_taken = bool(email) and await _take(up, one, not_at=email)
    except ConsumerError:
        await _look_again(up, user, retired, since=email)  # It may have been written all the same.
        raise
    if is_taken:
        retired.done += 1
        await _look_again(up, user, retired, since=email)
    else:
        retired.kept += 1


async def _take(up: Upstreams, one: Finding, *, not_at: str) -> bool:
    account = AccountId(one.account)
    async with asking(up.gates.accounts[account], one.vendor, calls=2) as permit:
        client = up.vendors[one.vendor].targets[account].client
        assert isinstance(client, MakeAs)
        return await client.retire(one.contact, one.user, not_at=not_at, permit=permit)


async def _look_again(up: Upstreams, user: UserKey, retired: Retired, *, since: str) -> None:
    """
    Note a reader that has another address than before the write, or of which that can't be known.

    If it moved before the write, a pod may have written its tags before we took them; if it moves later, the pod writes later.
    """
    try:
        now = await fetched(up, user)
        stays = not isinstance(now, Documents) or same_address(now.subscriber.email, since)
    except ConsumerError:
        stays = False
    if not stays and user not in retired.to_repair:
        retired.to_repair.append(user)
