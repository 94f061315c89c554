"""`status` in the six states that people meet: on a terminal of 80 by 24, and in a pipe."""

import re
import signal

import pytest

from tests.fakes.states import STATES
from tests.pods import answering, nobody
from tests.terminal import Terminal, piped

_COLOUR = re.compile("\x1b\\[[0-9;]*m")


async def screen(url: str) -> list[str]:
    """Return the lines of a screen of --watch."""
    terminal = Terminal("status", "--watch", "--every", "0.5", "--url", url)
    try:
        await terminal.until(lambda _: len(terminal.screens()) > 1)
        terminal.process.send_signal(signal.SIGINT)
        assert await terminal.ended() == 0
        return [line.rstrip() for line in _COLOUR.sub("", terminal.screens()[0]).split("\n")]
    finally:
        terminal.close()


@pytest.mark.parametrize("name", [one for one in STATES if one != "gone"])
async def test_the_verdict_stands_first_and_is_the_pages(name: str) -> None:
    state = STATES[name]
    async with answering({"/status.json": state.status}) as url:
        lines = await screen(url)
        said = await piped("status", "--url", url)

    first = said.out.splitlines()[0]
    assert (said.status, said.err) == (0, "")
    assert first.startswith(f"{state.level}: ")
    assert all(words in said.out for words in state.said)
    assert len(lines) == 24
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith(first[:60]), "the same is said first on a small screen"
    if name == "stopped":
        assert re.search(r"1466 .*closed|1466 .*stopped", " ".join(lines)), "the troubled list is on it"


async def test_a_pod_that_is_gone_is_no_green() -> None:
    url = nobody()
    lines, said = await screen(url), await piped("status", "--url", url)

    assert (said.status, said.out) == (69, "")
    assert "no usable answer" in said.err
    assert lines[0].startswith("unknown: 1 of 1 pod silent")
    assert "no usable answer" in " ".join(lines)
    assert not any(line.startswith("fine") for line in lines)
