"""An account that is read and never written: it says what would be."""

from collections.abc import Callable, Collection
from typing import Any

from msgspec import structs

from ...core.errors import Held
from ...core.mapping.documents import Documents
from ..make_reader import Limit, MakeReader, Permit, unsure
from ..makeas import WriteOutcome
from ..sharing.rider import Rider
from .would import Would, would_write

Told = Callable[[str, tuple[str, ...], Would], None]
"""Is told the user's id, the lists whose ids would be sent, and what would change."""


class Shadow(MakeReader):
    """
    One account in a dry run.

    It promises: a user is read, kept out of lists it has left, and put on lists as by the client that writes, by the same code; what
    that would change is told, and nothing is written: there is no call here that could.
    """

    def __init__(self, *client: Any, told: Told, **more: Any) -> None:  # noqa: ANN401 - as `MakeReader` takes them
        """Take what a client takes; `told`: see there."""
        super().__init__(*client, **more)
        self._told = told

    async def write(
        self,
        documents: Documents,
        *,
        permit: Permit,
        limit_s: Limit,
        lists: Collection[str] | None = None,
        always: bool = True,  # noqa: ARG002 - as `MakeAs.write`
        rider: Rider | None = None,  # noqa: ARG002 - as `MakeAs.write`
    ) -> WriteOutcome:
        """
        Tell what would be written of a user; return what a write that is taken comes to.

        Raises:
            ConsumerError: as `MakeAs.write`, but for what only an answer to a write can say.
        """
        given, email = self._given(lists), documents.subscriber.email
        contact, choice = await self._look(email, permit=permit)
        if choice.is_unsure:
            return WriteOutcome(consent_kept=False, unsure=unsure(given))
        limit_s()  # A write would have asked for the lease.
        sent = self._consent.still(tuple(one for one in choice.lists if one in given), email)
        if not sent and contact is None:
            raise Held("the contact is to be put on no list", code="no-list")
        wanted = structs.replace(documents, tags=self.wanted_tags(contact, documents.tags))
        self._told(documents.subscriber.external_id, sent, would_write(contact, wanted, sent))
        return WriteOutcome(choice.left, taken=sent, left_out=tuple(one for one in choice.lists if one not in given))
