"""The answer to "why does this reader get no newsletter?": a sentence, and what is so of each list."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from ...core.mapping.documents import is_guest_id
from ...core.model import GateState
from ...core.text import duration, shown
from ..status.told.words import KEY_CURE, shut
from .facts import HistoryEntry, ListOfReader

if TYPE_CHECKING:
    from .facts import Explanation, OpenLetterStatus, OwedAccount

SESAMY: Final = "sesamy"
"""Stands for the fetch itself where an account could."""
WOULD_PARK: Final = "would be parked: this pod is a dry run and parks nothing"
"""Of what is owed, where a pod that writes would be putting it into a letter."""
_SKIPPED: Final = {
    "guest": ("it is a guest, and guests are put on no list", "let the reader make an account at Sesamy"),
    "no-email": ("Sesamy has no usable e-mail address of it", "let the reader enter an address at Sesamy"),
    "absent": ("Sesamy knew no such user", "see whether the id is right, and whether it is this vendor's"),
}
_ENDS: Final = frozenset({"written", "kept-off", "would-write", "failed", "skipped", "cut-off"})
State = Literal["well", "waits", "owed", "parked", "paused", "skipped", "unknown"]


class Listed(Struct, frozen=True, kw_only=True):
    """One list of the vendor, as the settings have it."""

    account: str
    user_id: str
    list: str
    name: str = ""
    is_paused: bool = False
    left_out: tuple[str, str] | None = None
    """Since when and why it is left out of writes, and what to do; None: it is not."""
    written_at: float | None = None
    """Wall time (s) of this user's last write there; None: none is remembered."""
    kept_off_at: float | None = None
    """Wall time (s) when this user was last kept off it; None: it is not remembered to have been."""


def answered(
    one: "Explanation",
    lists: Sequence[Listed],
    gates: Mapping[str, GateState],
    codes: Mapping[str, str] | None = None,
    *,
    now: float,
    is_dry: bool = False,
) -> "Explanation":
    """
    Return the same with its sentence, and what is so of each list.

    Args:
        lists: all of the vendor.
        gates: by account id; `sesamy`: the vendor's.
        codes: by the same, the code of the last failure.
        now: wall time (s).
        is_dry: whether the pod is a dry run, which parks nothing.
    """
    teller = _Teller(one, gates, codes or {}, now, is_dry=is_dry)
    of_lists = tuple(teller.of_list(listed) for listed in lists)
    return replace(one, lists=of_lists, sentence=teller.sentence(lists, of_lists))


def clock(at: float, *, now: float) -> str:
    """Return a time of day, with its date where that is not today's: `14:02 UTC`."""
    when, today = (datetime.fromtimestamp(one, UTC) for one in (at, now))
    return when.strftime("%H:%M UTC" if when.date() == today.date() else "%Y-%m-%d %H:%M UTC")


def called(account: str) -> str:
    """Return what a person calls an upstream."""
    return "Sesamy" if account == SESAMY else f"account {account}"


class _Teller:
    """Puts one explanation into words."""

    def __init__(self, one: "Explanation", gates: Mapping[str, GateState], codes: Mapping[str, str], now: float, *, is_dry: bool) -> None:
        self._one, self._gates, self._codes, self._now, self._is_dry = one, gates, codes, now, is_dry
        self._last = next((entry for entry in reversed(one.history) if entry.what in _ENDS), None)

    # ---- One list ----

    def of_list(self, listed: Listed) -> ListOfReader:
        """Return what is so of one list."""
        state, text, cure = self._is_so(listed)
        return ListOfReader(
            account=listed.account, list=listed.list, name=listed.name, written_at=listed.written_at, state=state, text=text, cure=cure
        )

    def _is_so(self, listed: Listed) -> tuple[State, str, str]:  # noqa: PLR0911 - a table of states, the weightiest first
        if listed.is_paused and not self._is_skipped:
            return "paused", "the settings say that nothing is written for now", "take `paused` out of the settings"
        if (owed := self._owed(listed.account)) is not None:
            return "owed", *(self._left_out(listed, owed) or self._why_owed(owed))
        if (letter := self._letter(listed)) is not None:
            return "parked", *((self._left_out(listed) if letter.heals else None) or _parked(letter))
        if self._one.state in {"waiting", "due", "running", "parking"}:
            return "waits", *self._waits(listed.account)
        off, at = listed.kept_off_at, listed.written_at
        if off is not None and (at is None or off > at):
            text = f"the address had left it when it was last looked at, {clock(off, now=self._now)}, and is not put back"
            return "skipped", text, "let the reader join it again, in the profile or at Make.as"
        if at is not None:
            return "well", f"written {clock(at, now=self._now)}, and nothing is owed", ""
        if self._last is not None and self._last.what == "skipped":
            return "skipped", *_SKIPPED.get(self._last.code, (f"it was skipped ({self._last.code})", ""))
        return "unknown", "this pod remembers no write", "ask with --online"

    @property
    def _is_skipped(self) -> bool:
        """Say whether nothing is written to any list for the user's own sake: no end of a pause would help it."""
        return self._one.state == "clean" and not self._one.letters and self._last is not None and self._last.what == "skipped"

    def _owed(self, account: str) -> "OwedAccount | None":
        return next((one for one in self._one.owed if one.account in {account, SESAMY}), None)

    def _letter(self, listed: Listed) -> "OpenLetterStatus | None":
        for one in self._one.letters:
            if one.account in {"", listed.user_id} and (not one.lists or listed.list in one.lists.split(",")):
                return one
        return None

    def _left_out(self, listed: Listed, owed: "OwedAccount | None" = None) -> tuple[str, str] | None:
        """Say that the list is left out, unless something keeps the user from all lists of its account."""
        if listed.left_out is None or self._shut(SESAMY) or self._shut(listed.account) or (owed is not None and owed.account == SESAMY):
            return None
        return listed.left_out

    def _why_owed(self, owed: "OwedAccount") -> tuple[str, str]:
        """Return why something is still owed, and what to do."""
        if (shut := self._shut(owed.account, not_before_s=owed.next_try_s)) is not None:
            return shut
        who, again = called(owed.account), f"it is tried again by itself in {duration(owed.next_try_s)}"
        if owed.code == "register":
            return f"it is read first which contacts left the lists of {who}", "it is written by itself once that is known"
        if owed.code == "absent":
            return "Sesamy does not know the user so far", again
        if not owed.code:
            return f"{who} has not been asked yet", again
        said = f', which said "{owed.said}"' if owed.said else ""
        if not owed.attempts:  # What says nothing of the user is no attempt of it.
            return f"{who} could not take it ({owed.code}{said})", again
        return f"{who} failed {owed.attempts} {'time' if owed.attempts == 1 else 'times'} ({owed.code}{said})", again

    def _shut(self, account: str, *, not_before_s: float = 0.0) -> tuple[str, str] | None:
        gate = self._gates.get(account)
        if gate is None or gate.state == "open":
            return None
        since = clock(self._now - gate.closed_s, now=self._now)
        why = f"{called(account)} {shut(gate.cause, self._codes.get(account, ''), is_sesamy=account == SESAMY)}, since {since}"
        if gate.cause == "denied":
            return why, KEY_CURE
        next_s = max(gate.next_try_s, not_before_s) if gate.next_try_s > 0 else 0.0
        return why, f"it is tried again by itself in {duration(next_s)}" if next_s > 0 else "it is tried again by itself"

    def _waits(self, account: str) -> tuple[str, str]:
        state = self._one.state
        if state == "running":
            return f"is being written, for {duration(self._one.since_s or 0.0)}", ""
        if state == "parking":
            return WOULD_PARK if self._is_dry else "is being written to the dead-letter topic", ""
        if state == "waiting":
            return f"waits for the end of a burst: due in {duration(self._one.due_s or 0.0)}", ""
        return self._shut(SESAMY) or self._shut(account) or ("is due now, and waits for its turn", "")

    # ---- The whole ----

    def sentence(self, lists: Sequence[Listed], of_lists: Sequence[ListOfReader]) -> str:
        """Return the answer."""
        told = self._of_pod()
        if told:
            return told
        troubles = [*self._troubles(of_lists)]
        if troubles:
            return "; ".join([*troubles, *self._beside_paused(of_lists)])
        if self._one.state in {"waiting", "due", "running", "parking"}:
            text, cure = self._waits(lists[0].account if lists else "")
            return _capital(text) + (f"; {cure}" if cure else "")
        if self._one.letters:
            return "; ".join(_capital(": ".join(filter(None, _parked(one)))) for one in self._one.letters)
        return self._would_park() or self._of_memory(of_lists)

    def _of_pod(self) -> str:
        one = self._one
        if one.state == "unknown-vendor":
            known = f" (known: {', '.join(one.vendors)})" if one.vendors else ""
            return f"The settings don't know the vendor {one.vendor}{known}: its events are passed over; see whether its id is right"
        if one.state == "elsewhere":
            return f"Another pod has this user (partition {one.partition}): ask there, with its --url, or ask with --online"
        if one.state == "not-ready":
            return "This pod has no partitions yet: ask again in a minute, or ask with --online"
        if one.state == "paused":
            return f"Nothing is read of partition {one.partition} for now, so an event of this user may wait there: see the status"
        return ""

    def _troubles(self, of_lists: Sequence[ListOfReader]) -> Iterator[str]:
        """Give what keeps the user off its lists, the lists with one reason together."""
        reasons: dict[tuple[str, str, str], list[str]] = {}
        for one in of_lists:
            if one.state in {"owed", "parked", "paused"}:
                reasons.setdefault((one.state, one.text, one.cure), []).append(one.name or f"list {one.list}")
        for (state, text, cure), names in reasons.items():
            if state == "parked":
                yield f"Not written to {', '.join(names)}: {text}{f': {cure}' if cure else ''}"
            else:
                yield f"Not written to {', '.join(names)}: {text}{f'; {cure}' if cure else ''}"

    def _beside_paused(self, of_lists: Sequence[ListOfReader]) -> Iterator[str]:
        """Give, where some lists are paused, what is so of the others: their reader asks for them."""
        if all(one.state != "paused" for one in of_lists):
            return
        waits = [one for one in of_lists if one.state == "waits"]
        if waits:
            yield f"{_names(waits)}: {waits[0].text}{f'; {waits[0].cure}' if waits[0].cure else ''}"
        off = [one for one in of_lists if one.state == "skipped"]
        if off:
            yield f"Not on {_names(off)}, for the address has left it, and is not put back"

    def _would_park(self) -> str:
        latest = self._one.history[-1] if self._one.history else None
        if latest is None or latest.what != "would-park":
            return ""
        who, at = called(latest.account) if latest.account else "all accounts", clock(latest.at, now=self._now)
        return f"This pod is a dry run and parks nothing: it would be parked for {who} ({latest.code}), {at}"

    def _of_memory(self, of_lists: Sequence[ListOfReader]) -> str:
        last, now = self._last, self._now
        if last is None:
            if is_guest_id(self._one.user):
                return "Not written: {}; {}".format(*_SKIPPED["guest"])
            since = "" if self._one.known_since is None else f" since {clock(self._one.known_since, now=now)}"
            known = "No run of this user is remembered" if self._one.history else "Nothing known of this user"
            return f"{known} on this pod{since}: not an answer that it is synced; ask with --online"
        if last.what == "skipped":
            text, cure = _SKIPPED.get(last.code, (f"it was skipped ({last.code})", "ask with --online"))
            return f"Not written {clock(last.at, now=now)}: {text}; {cure}"
        if last.what == "would-write":
            return f"This pod is a dry run and writes nothing: its log says what it would have changed, {clock(last.at, now=now)}"
        if last.what not in {"written", "kept-off"}:
            why = f" ({last.code})" if last.code else ""
            return f"The last run of {clock(last.at, now=now)} failed{why}, and nothing is owed on this pod any more: ask with --online"
        off = [one for one in of_lists if one.state == "skipped"]
        written = [one for one in of_lists if one.written_at is not None and one.state != "skipped"]
        kept = f"; not on {_names(off)}, for the address has left it, and is not put back" if off else ""
        return f"Written {clock(last.at, now=now)} to {len(written)} of {len(of_lists)} lists, and nothing is owed{kept}"


def told(entry: HistoryEntry, *, now: float) -> str:
    """Return one line of the history; `now`: wall time (s)."""
    lists = f" {', '.join(entry.lists)}" if entry.lists else ""
    of = f"{called(entry.account) if entry.account else 'all accounts'}{lists}"
    words = {
        "event": f"event {entry.code}",
        "began": "a run began",
        "written": f"written to{lists}",
        "kept-off": f"kept off{lists}: the address has left",
        "would-write": f"a dry run would have written to{lists}",
        "failed": f"failed at {called(entry.account)}{lists} ({entry.code or 'not tried'})",
        "skipped": f"skipped ({entry.code})",
        "cut-off": "the run was cut off",
        "parked": f"parked for {of} ({entry.code})",
        "would-park": f"would be parked for {of} ({entry.code}); a dry run parks nothing",
        "healed": f"the letter at {entry.place} is dealt with",
    }
    return f"{clock(entry.at, now=now)}  {words[entry.what]}"


def _parked(letter: "OpenLetterStatus") -> tuple[str, str]:
    """Return why something is parked, and what to do."""
    of = letter.lists.replace(",", ", ") or letter.account or "all accounts"
    code = f" ({shown(letter.code)})" if letter.code else ""
    text = f"parked for {shown(of)}{code} at {letter.place}"
    return text, "it is tried again by itself" if letter.heals else f"`sesamy-makeas dead-letters requeue {letter.place}`"


def _names(lists: Sequence[ListOfReader]) -> str:
    return ", ".join(one.name or f"list {one.list}" for one in lists)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
