"""The panel says what is on and since when, has a button for each trouble, and takes nothing for markup."""

import re

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.panel.page import POLICY, page, shown
from consumer.sandbox.session import Totals
from consumer.sandbox.troubles import KILL, On, Trouble, all_of, no_outage

MEMORY = Broker(kind="memory", bootstrap="127.0.0.1:1", why="")
STORM = Trouble(name="429", upstream="1001")
DENIED = Trouble(name="key", upstream="sesamy:kystavisen")


def drawn(*on: On, notice: str = "", letters: str = "list") -> str:
    known = all_of(MEMORY)
    what = shown(
        known,
        {one.trouble.key: one for one in on},
        Totals(poison=3, kills=2),
        now=1000.0,
        notice=notice,
        no_outage=no_outage(MEMORY),
        status_url="http://127.0.0.1:2/",
        letters=letters,
    )
    return page(what)


def test_each_trouble_has_a_button() -> None:
    text = drawn()

    begun = re.findall(r'name="do" value="begin"><input type="hidden" name="key" value="([^"]+)"', text)
    assert begun == list(all_of(MEMORY))
    assert "Nothing: all is well." in text
    assert "Cure: --broker jvm." in text
    assert "Broken records: 3;" in text
    assert "Kills: 2;" in text


def test_what_is_on_says_since_when_and_when_it_ends_and_can_be_healed() -> None:
    text = drawn(On(STORM, 940.0, 1540.0), On(DENIED, 995.0, 1595.0))

    told = re.findall(r'<span class="bad">(.*)</span> <span class="soft">(.*)</span>', text)
    assert told == [
        ("Make.as account 1001 of morgenposten: 429: too many requests", "for 1 min, heals by itself in 9 min"),
        ("Sesamy, for kystavisen: 401: another key", "for 5 s, heals by itself in 10 min"),
    ]
    assert re.findall(r'value="heal"><input type="hidden" name="key" value="([^"]+)"', text) == [STORM.key, DENIED.key]
    assert text.count('value="heal-all"') == 1
    assert text.count('class="on"') == 2


def test_a_consumer_that_is_down_is_being_started_again() -> None:
    text = drawn(On(KILL, 999.0, 1001.0, "it ended by itself"))

    assert "The consumer is down (it ended by itself)" in text
    assert "for 1 s, is being started again" in text


def test_nothing_is_taken_for_markup() -> None:
    text = drawn(notice="<b>no</b>", letters="list '<i>'")

    assert "<b>" not in text
    assert "<i>" not in text
    assert "&lt;b&gt;no&lt;/b&gt;" in text


def test_it_needs_no_script_and_loads_nothing() -> None:
    assert "<script" not in drawn()
    assert "default-src 'none'" in POLICY
    assert "form-action 'self'" in POLICY
