"""One user's write to one account, of the lists that are not left out; what a list refuses is its own trouble."""

from typing import Final

import anyio

from ..core.gates.list_doors import ListDoors
from ..core.mapping.documents import Documents
from ..core.model import Result, UserKey, Verdict
from ..core.users.debts import HELD
from ..settings.model import Account
from .makeas import Limit, MakeAs, Permit, Written

_DONE: Final = Result(Verdict.DONE)


async def write(
    client: MakeAs, doors: ListDoors, user: UserKey, account: Account, documents: Documents, *, permit: Permit, limit_s: Limit
) -> tuple[Written, Result]:
    """
    Write all of a user to an account; return what the write found and what it means: REFUSED names the lists that are still owed it.

    Raises:
        ConsumerError: as `MakeAs.write`.
    """
    visit = doors.enter(user, account.id, account.lists, now=anyio.current_time())
    try:
        written = await client.write(documents, permit=permit, limit_s=limit_s, lists=visit.lists)
        held = {*written.left_out, *doors.learn(visit, taken=written.taken, refused=written.refused, now=anyio.current_time())}
    finally:
        doors.leave(visit, now=anyio.current_time())
    owed = {one: HELD if one in held else written.refused[one] for one in account.lists if one in held or one in written.refused}
    code = next((code for code in owed.values() if code != HELD), HELD)
    return written, Result(Verdict.REFUSED, code, lists=owed) if owed else _DONE


def served(account: Account, result: Result) -> tuple[str, ...]:
    """Return the account's lists that have had all of what a run brought."""
    if result.verdict is not Verdict.DONE and not result.lists:
        return ()
    return tuple(one for one in account.lists if one not in result.lists)
