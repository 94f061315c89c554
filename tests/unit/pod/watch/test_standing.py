"""What holds now: every cause of a gate has its words, its cure and its chapter."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from consumer.core.model import GateCause
from consumer.pod.status.tree import GateStatus, Status
from consumer.pod.watch.standing import ListName, lists_of, named, standing
from consumer.settings.model import ListSettings, SesamyCredentials, Settings, VendorSettings
from consumer.settings.secret import Secret
from tests.simulation.settings import SETTINGS

RUNBOOK = Path(__file__).parents[4] / "deploy/RUNBOOK.md"


def chapters() -> set[str]:
    text = RUNBOOK.read_text(encoding="utf-8")
    return {re.sub(r"[^\w -]", "", head.lower()).strip().replace(" ", "-") for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("cause", [one for one in get_args(GateCause) if one not in {"", "paused"}])
@pytest.mark.parametrize("kind", ["makeas", "sesamy"])
def test_each_cause_has_words_a_cure_and_a_chapter_that_is_there(cause: Any, kind: Any) -> None:
    status = Status(upstreams=(GateStatus(name="1", kind=kind, state="closed", cause=cause),))
    (found,) = standing(status, {}, lambda _: 0.0)

    assert "is shut" not in found.text
    assert found.cure
    assert not found.cure.endswith(".")
    assert found.runbook in chapters()


def test_lists_are_called_by_their_names_and_only_some_of_many() -> None:
    assert str(ListName(vendor="v", list="7")) == "7"
    assert str(ListName(vendor="v", list="7", name="Morgenbrev")) == "Morgenbrev (7)"
    assert named(tuple(ListName(vendor="v", list=str(number)) for number in range(12))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"


def test_the_lists_of_a_gate_are_those_that_get_nothing_while_it_is_shut() -> None:
    key = Secret("text", "k", text="k")
    vendor = VendorSettings(
        id="v",
        sesamy=SesamyCredentials(client_id="c", client_secret=key),
        makeas=(
            ListSettings(user_id="1", api_key=key, list_id="7", name="Morgenbrev"),
            ListSettings(user_id="1", api_key=key, list_id="8"),
            ListSettings(user_id="2", api_key=key, list_id="9"),
        ),
    )
    found = lists_of(Settings(kafka=SETTINGS.kafka, vendors=(vendor,)))

    assert {gate: [str(one) for one in lists] for gate, lists in found.items()} == {
        "1": ["Morgenbrev (7)", "8"],
        "2": ["9"],
        "sesamy:v": ["Morgenbrev (7)", "8", "9"],
        "1/v/7": ["Morgenbrev (7)"],
        "1/v/8": ["8"],
        "2/v/9": ["9"],
    }


def test_an_account_that_does_not_keep_what_it_takes_is_a_condition_beside_its_open_gate() -> None:
    status = Status(at=100.0, upstreams=(GateStatus(name="1", kind="makeas", not_kept=("lists", "tags"), not_kept_s=30.0),))
    (found,) = standing(status, {"1": (ListName(vendor="v", list="7"),)}, lambda _: 0.0)

    assert (found.kind, found.subject, found.cause, found.since, found.after_s) == ("kept", "1", "lists, tags", 70.0, 0.0)
    assert found.text.startswith("Make.as account 1 takes what is written and ")
    assert found.text.endswith("(7)")
    assert "sesamy-makeas verify" in found.cure
    assert found.runbook in chapters()
