"""The parts of a question: calls, answers, what is seen. No I/O."""

from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct, structs

from ...core.answers.makeas import read
from ...core.text import printable

Value = str | bool | int | float | None
"""What a setting may be set to; None: nothing is to be written."""
_OK: Final = range(200, 300)


class Call(Struct, frozen=True, kw_only=True):
    """One call, as it is to be made; our credentials are added where it is made."""

    side: Literal["token", "sesamy", "makeas"]
    op: str
    """A name of ours, for errors."""
    method: str = "GET"
    path: str = ""
    query: tuple[tuple[str, str], ...] = ()
    body: object = None
    audience: str | None = None
    """Of a call for a token, or of the token that a call of Sesamy's is made with; None: the one that is known to be good."""
    writes: bool = False

    @property
    def told(self) -> str:
        """Return it as it is shown to the operator: no secret is in it, and what does not print is escaped."""
        if self.side == "token":
            return f"POST the token's address, {f'audience {printable(self.audience)}' if self.audience else 'no audience'}"
        query = "&".join(f"{name}={value}" for name, value in self.query)
        body = "" if self.body is None else f" {msgspec.json.encode(self.body).decode()}"
        return printable(f"{self.method} {self.path}{f'?{query}' if query else ''}{body}")


class Reply(Struct, frozen=True, kw_only=True):
    """What came back."""

    status: int
    tree: Any = None
    """The decoded body; None: it holds no JSON."""
    said: str = ""
    """What a refusal says to people, without any value."""
    limit: str | None = None
    """The `X-RateLimit-Limit` of the answer."""

    @property
    def is_taken(self) -> bool:
        """Say whether a write was taken, as far as the answer tells: a 2xx whose body names no row that failed."""
        return self.status in _OK and read(self.tree).says != "refused"

    @property
    def is_there(self) -> bool:
        """Say whether what was asked for was given."""
        return self.status in _OK

    @property
    def refusal(self) -> str:
        """Return how a call was refused, in words."""
        rows = ", rows named as failed" if self.status in _OK else ""
        return f"{self.status}{rows}{f' ({self.said})' if self.said else ''}"


class Unknown(Struct, frozen=True):
    """Something that no document says."""

    id: str
    """It stands in DESIGN's table, and no other has it."""
    text: str
    setting: str = ""
    """The path of the setting that is to say so; empty: one function goes by what comes, or none could."""


class Seen(Struct, frozen=True, kw_only=True):
    """What the answers say of one unknown."""

    unknown: Unknown
    text: str
    value: Value = None
    """What the setting is to be; None: the answers don't say so, or there is none."""
    is_answer: bool = True
    """Whether the question has an answer."""
    is_asked: bool = True
    """Whether it was asked at all: what the options given leave out is no failure."""
    is_bad: bool = False
    """Whether it forbids something, and no setting helps."""
    learnt: Mapping[str, int | str] = {}
    """Tag -> its id in the account's catalogue."""


class Known(Struct, frozen=True, kw_only=True):
    """What the questions go by: what the operator gave, what the settings say, and what has been seen instead."""

    ways: Mapping[str, Value]
    """Setting -> what it is, or is to be."""
    nobody: str
    """A user id that no reader has."""
    user: str = ""
    email: str = ""
    email_2: str = ""
    opted_out_email: str = ""
    list_id: str = ""
    tag_ids: Mapping[str, int | str] = {}
    has_written: bool = False
    """Whether the test contacts have been written to, as far as they could be."""

    def way(self, setting: str) -> str:
        """Return what a setting of words is."""
        return str(self.ways[setting])

    def forms(self, setting: str, *others: str) -> list[str]:
        """Return what a setting may be: what it is first."""
        return list(dict.fromkeys([self.way(setting), *others]))

    def after(self, seen: Seen) -> "Known":
        """Return the same with what was seen."""
        ways = self.ways if seen.value is None else {**self.ways, seen.unknown.setting: seen.value}
        return structs.replace(self, ways=ways, tag_ids={**self.tag_ids, **seen.learnt})


Walk = Generator[Call, Reply, tuple[Seen, ...]]
"""Gives calls, is sent the answer to each, and returns what they say."""
Part = Generator[Call, Reply, Reply]
"""A part of a walk that ends in an answer."""


class Question(Struct, frozen=True, kw_only=True):
    """Some unknowns that the same calls tell."""

    unknowns: tuple[Unknown, ...]
    ask: Callable[[Known], Walk]
    needs: str = ""
    """The options without which it is not asked."""
    writes: bool = False


def unsure(unknown: Unknown, why: str) -> Seen:
    """Return that an unknown stays one."""
    return Seen(unknown=unknown, text=f"no answer: {why}", is_answer=False)


def unasked(unknown: Unknown, why: str) -> Seen:
    """Return that an unknown was not asked."""
    return Seen(unknown=unknown, text=f"not asked: {why}", is_asked=False)


def unanswered(question: Question, why: str) -> tuple[Seen, ...]:
    """Return that a question has no answer."""
    return tuple(unsure(one, why) for one in question.unknowns)
