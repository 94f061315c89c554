"""Make.as' API in our nouns: what writes."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

from msgspec import Struct, structs

from ..core.answers.address import same_address
from ..core.errors import ConsumerError, Forbidden, Held, Refused
from ..core.mapping.contact import Contact, fields, is_as_wanted, tag_change
from ..core.mapping.documents import Documents
from ..core.mapping.kept import Asked, Kept
from ..core.mapping.tags import others
from ..core.sharing.load import Rows
from .http.answers import decoded, shaped
from .http.exchange import segment
from .make_reader import Limit, MakeReader, Permit, unsure
from .sharing.rider import Rider
from .sharing.shared_rows import MAX_ROWS, Send, SharedRows
from .waits import together
from .ways.look_back import LookBack
from .ways.tag_ids import PER_PAGE, Tag, TagIds

REFUSES: Final = frozenset({400, 404, 409, 413, 422})


class WriteOutcome(Struct, frozen=True):
    """What a write came to."""

    consent_kept: bool
    """It kept a contact out of the lists that it has left."""
    refused: Mapping[str, str] = {}
    """List id -> code of each list that refused a contact which another list took, or was left out of."""
    taken: tuple[str, ...] = ()
    """The lists that took it."""
    left_out: tuple[str, ...] = ()
    """The lists that it belongs on, and the caller left out."""
    errors: Mapping[str, ConsumerError] = {}
    """Of each list in `refused`."""
    spared: tuple[str, ...] = ()
    """The lists that it is on as it is to be, so that it was not written."""
    is_spared: bool = False
    """The contact was as it is to be, and was not written; nor was it put on any list."""
    asked: Asked | None = None
    """What the contact is to show now; None: it was not written."""
    unsure: Mapping[str, ConsumerError] = {}
    """Nothing was written, for it may have left: the lists that it may belong on, each with why."""


class MakeAs(MakeReader):
    """
    One account: one key, and all its lists in one conversation.

    It promises: the contact is read before it is written, and not written where it states all that would be, unless that is wanted;
    `status` is never sent; a contact that opted out or bounced is updated
    without list ids, be it known from the contact itself or from a list's register of those that left; a paused list is never
    named; tags of others stay; subscriptions come after the contact and the products; a list that refuses keeps no user off another.
    """

    def __init__(
        self,
        *client: Any,  # noqa: ANN401 - as `MakeReader`
        share: Callable[[Send], SharedRows] | None = None,
        kept: Kept | None = None,
        **more: Any,  # noqa: ANN401 - as `MakeReader`
    ) -> None:
        """
        Take what a `MakeReader` takes.

        Args:
            share: makes what rows of several readers go through; None: each reader's go alone.
            kept: says when to look back at a contact, and learns what it shows; None: nothing is looked at.
        """
        super().__init__(*client, **more)
        self._look_back = None if kept is None else LookBack(kept, self._shown, hides_left=self._consent.hides_left)
        self._shared = None if share is None else share(self._send_rows)
        self._tag_ids = TagIds(self._tags_page)

    async def write(
        self,
        documents: Documents,
        *,
        permit: Permit,
        limit_s: Limit,
        lists: Collection[str] | None = None,
        always: bool = True,
        rider: Rider | None = None,
    ) -> WriteOutcome:
        """
        Write all of a user.

        Args:
            permit: awaited before each call that is this user's alone.
            limit_s: asked before each try of a write how long it may last (s).
            lists: the account's lists to put the user on, but for paused ones; None: all. With none a known contact is updated.
            always: whether the contact is written also where it is as it is to be.
            rider: the run, where its rows may share a call with those of others; None: they go alone.

        Raises:
            Retryable, Refused, Denied, Forbidden: as `Http.exchange`; `rows`, where the answer to a write names failed rows. That a list
                refuses is raised only where no list takes the contact, and none that it belongs on is left out. `left-no-id`, of a
                contact that left and can't be updated by an id.
            Held: from `permit` and `limit_s`; `paused`, where all lists are; `register`, where it is not known yet which contacts left a
                list; `no-list`, where an unknown contact is to be put on none; `known`, where only a new one was to be written; `gate`,
                `apart`, `snapshot-old`, of rows that could not go, or be judged, in time.
        """
        given = self._given(lists)
        written, looks = WriteOutcome(consent_kept=False), False
        products, subscriptions = self.ways.rows(self.ways.dated(documents))
        waits_alone = self._rides("products", products, rider) and self._rides("subscriptions", subscriptions, rider)

        async def write_contact() -> None:
            nonlocal written, looks
            written = await self._write_contact(documents, given, permit, limit_s, always=always)
            looks = self._look_back is not None and self._look_back.is_due(written.asked, rider)
            if rider is not None and waits_alone and not looks:
                rider.step_aside()

        await together(write_contact, partial(self._write_rows, "products", products, permit, limit_s, rider))
        if written.unsure or (written.refused and not written.taken):
            return written  # The contact may not be there.
        await self._write_rows("subscriptions", subscriptions, permit, limit_s, rider)
        if looks and self._look_back is not None and written.asked is not None and rider is not None:
            await self._look_back.look(written.asked, rider)
        return written

    async def _write_contact(
        self, documents: Documents, lists: tuple[str, ...], permit: Permit, limit_s: Limit, *, always: bool
    ) -> WriteOutcome:
        email = documents.subscriber.email
        contact, choice = await self._look(email, permit=permit)
        if choice.is_unsure:
            return WriteOutcome(consent_kept=False, unsure=unsure(lists))
        if documents.only_new and contact is not None:
            raise Held("there is a contact by now", code="known")
        wanted = self.wanted_tags(contact, documents.tags)
        sent = tuple(one for one in choice.lists if one in lists)
        left_out = tuple(one for one in choice.lists if one not in lists)
        if not always and is_as_wanted(contact, structs.replace(documents, tags=wanted), sent):
            return WriteOutcome(choice.left, left_out=left_out, spared=sent, is_spared=True)
        mode, tags = tag_change(contact.titles if contact else [], wanted)
        body = {**fields(documents.subscriber), "tags": await self._tags_as_sent(contact, tags, permit, limit_s)}

        async def put(lists: tuple[str, ...]) -> None:
            await permit()
            lists = self._consent.still(lists, email)  # It may have left while we waited.
            query = [*self.ways.lists(lists), ("tag", mode)]
            if lists:
                op, method, path = "upsert", "POST", "/subscribers"
            elif contact is not None:
                op, method, path = "update", "PATCH", f"/subscribers/{segment(str(contact.id))}"
            else:
                raise Held("the contact is to be put on no list", code="no-list")
            self._believe(await self._exchange(op, method, path, query=query, json=body, limit_s=limit_s), op)

        try:
            errors = await _each_alone(put, sent, at_once=not self.ways.one_list_a_call)
        except ConsumerError as error:
            if not sent or not left_out or not _is_of_lists(error):
                raise
            errors = dict.fromkeys(sent, error)  # Those that were left out have refused nobody, and are owed by themselves.
        refused = {one: error.code for one, error in errors.items()}
        taken = tuple(one for one in sent if one not in refused)
        asked = Asked(email=email, before=contact, lists=self._consent.still(taken, email), tags=wanted)
        return WriteOutcome(choice.left, refused, taken, left_out, errors, asked=asked)

    async def _shown(self, asked: Asked) -> Contact | None:
        return await self.contact(asked.email, permit=_paid)

    async def retire(self, contact: str, user: str, *, not_at: str, permit: Permit) -> bool:
        """
        Take our tags, and nothing else, from the contact of an address that its reader has left.

        Args:
            contact: Make's id of it.
            user: the reader's id, which the contact must have as its external id.
            not_at: the reader's address now: a contact there is left as it is.

        Returns:
            Whether none of our tags is on it now; False: it is another contact than it was.

        Raises:
            Retryable, Refused, Denied, Forbidden: as `Http.exchange`.
            Held: from `permit`.
        """
        found = await self.by_id(contact, permit=permit)
        if str(found.external_id) != user or not found.email or same_address(found.email, not_at):
            return False
        kept = others(found.titles, ())
        if len(kept) < len(found.titles):
            await permit()
            path, query = f"/subscribers/{segment(contact)}", [("tag", "replace")]
            self._believe(
                await self._exchange("update", "PATCH", path, query=query, json={"tags": await self._tags_as_sent(found, kept, permit)}),
                "update",
            )
        return True

    async def _tags_as_sent(
        self, contact: Contact | None, titles: Sequence[str], permit: Permit, limit_s: Limit | None = None
    ) -> Sequence[object]:
        """Return a contact's tags as they are sent: their titles, or the ids of those."""
        if self.ways.tags == "titles":
            return titles
        known = contact.tag_ids if contact is not None else {}
        ids = await self._tag_ids.of(titles, known, permit=permit, create=partial(self._tag_made, limit_s=limit_s))
        return ids if contact is None else [*ids, *contact.twins(titles, ids)]

    async def _tags_page(self, page: int) -> Sequence[Tag]:
        query = [("page", str(page)), ("per_page", str(PER_PAGE))]
        tree = decoded(await self._exchange("tags", "GET", "/subscriber_tags", query=query), "tags")
        return shaped(tree.get("data") if isinstance(tree, dict) else tree, list[Tag], "tags")

    async def _tag_made(self, title: str, *, limit_s: Limit | None) -> Tag:
        tree = decoded(await self._exchange("tag", "POST", "/subscriber_tags", json={"title": title}, limit_s=limit_s), "tag")
        return shaped(tree.get("data", tree) if isinstance(tree, dict) else tree, Tag, "tag")

    def _rides(self, op: str, rows: Rows, rider: Rider | None) -> bool:
        """Say whether rows share a call with those of others."""
        return self._shared is not None and rider is not None and not self._shared.goes_alone(op, rider.user, rows, is_probe=rider.is_probe)

    async def _write_rows(self, op: str, rows: Rows, permit: Permit, limit_s: Limit, rider: Rider | None) -> None:
        if not rows:
            return
        if self._shared is not None and rider is not None and self._rides(op, rows, rider):
            await self._shared.write(op, rows, rider)
            return
        each = list(rows.values())
        for start in range(0, len(each), MAX_ROWS):
            await permit()
            await self._send_rows(op, each[start : start + MAX_ROWS], limit_s)
        if self._shared is not None and rider is not None:
            self._shared.went_alone(op, rider.user)

    async def _send_rows(self, op: str, rows: Sequence[object], limit_s: Limit) -> None:
        """Make one bulk call. Assumption: its rows, of one reader or several, update what they find by `external_id`."""
        self._believe(await self._exchange(op, "POST", self.ways.path(op), json=self.ways.body(op, rows), limit_s=limit_s), op)


async def _paid() -> None:
    """Let a call go that is paid for."""


async def _each_alone(
    put: Callable[[tuple[str, ...]], Awaitable[None]], lists: tuple[str, ...], *, at_once: bool
) -> Mapping[str, ConsumerError]:
    """
    Put a contact on all lists at once, and on each alone where that is refused; return list id -> error of those that refuse.

    Args:
        at_once: whether a call may name several; if not, each is named alone from the first.

    Raises:
        ConsumerError: from `put`; where all lists refuse, it is the user that is refused.
    """
    whole: ConsumerError | None = None
    if at_once or not lists[1:]:
        try:
            await put(lists)
        except ConsumerError as error:
            if not lists[1:] or not _is_of_lists(error):
                raise
            whole = error
        else:
            return {}
    refused: dict[str, ConsumerError] = {}
    for one in lists:
        try:
            await put((one,))
        except ConsumerError as error:
            if not _is_of_lists(error):
                raise
            refused[one] = error
    if len(refused) == len(lists):
        raise whole or refused[lists[0]]
    return refused


def _is_of_lists(error: ConsumerError) -> bool:
    """Say whether one list may be behind it: a refusal, or a 403, which says nothing of the key."""
    return isinstance(error, Refused | Forbidden)
