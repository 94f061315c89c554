"""Commands that show what pods say, as processes: on a terminal, in a pipe, and where a pod is none of ours."""

import json
import os
import re
import signal
import subprocess
from typing import Final

import anyio
import anyio.to_thread
import pytest
from anyio.abc import ByteReceiveStream, Process, SocketAttribute
from msgspec import structs

from consumer.pod.reader.facts import Explanation, OpenLetterStatus, OwedAccount
from consumer.pod.status.hour.shapes import LastHour
from consumer.pod.status.tree import (
    GateStatus,
    GroupStatus,
    LetterCounts,
    ListStatus,
    PartitionStatus,
    Status,
)
from tests.pods import answering, nobody
from tests.terminal import LEAVE, Said, Terminal, command, environment, piped, shown

EVIL: Final = "\x1b]0;taken\x07\r\n\x85\x9b31m\u202e"
STATUS: Final = Status(
    state="consuming",
    ready=True,
    host="pod-a",
    upstreams=tuple(GateStatus(name=f"account-{number}-{'x' * 40}", kind="makeas") for number in range(30)),
)


async def watched(*args: str, screens: int = 2, **options: object) -> tuple[int, list[str]]:
    """Watch on a terminal until `screens` were drawn."""
    terminal = Terminal("status", "--watch", "--every", "0.5", *args, **options)  # type: ignore[arg-type]
    try:
        await terminal.until(lambda _: len(terminal.screens()) > screens)
        terminal.process.send_signal(signal.SIGINT)
        status = await terminal.ended()
        assert terminal.shown.endswith(LEAVE), "nothing is left on the screen"
        return status, terminal.screens()[:screens]
    finally:
        terminal.close()


# ---- What a pod says is only text ----

EVIL_PLACE: Final = f"0:17; touch taken{EVIL}"
TOLD: Final = Explanation(
    vendor="v",
    user="u",
    state="parked",
    why=EVIL,
    owed=(OwedAccount(account=EVIL, code=EVIL, gate="closed", gate_cause=EVIL),),
    tokens=(EVIL,),
    letters=(
        OpenLetterStatus(place=EVIL_PLACE, account=EVIL, heals=False),
        OpenLetterStatus(place="--all", account=EVIL, heals=False),
        OpenLetterStatus(place="0:21", account=EVIL, heals=False),
    ),
    partition=3,
    is_ours=True,
)


async def test_what_is_explained_does_not_speak_to_the_terminal() -> None:
    async with answering({"/explain.json": TOLD}) as url:
        text = await piped("explain", "--url", url, "v", "u")
        data = await piped("explain", "--url", url, "--output", "json", "v", "u")

    assert (text.status, data.status, text.err + data.err) == (0, 0, "")
    assert all(one.isprintable() for one in (text.out + data.out).replace("\n", ""))
    assert len(text.out.splitlines()) == 1 + 1 + 3 + 1 + 1
    assert re.findall("dead-letters requeue.*", text.out) == ["dead-letters requeue 0:21"]
    assert json.loads(data.out)["why"] == EVIL


async def test_what_is_owed_has_one_time_of_the_next_try_and_its_attempts_as_they_are() -> None:
    owed = (
        OwedAccount(account="1", attempts=0, code="http-429", gate="closed", gate_cause="retry-after", gate_next_try_s=48.0),
        OwedAccount(account="2", attempts=1, code="http-500", next_try_s=60.0, gate="closed", gate_cause="breaker", gate_next_try_s=5.0),
        OwedAccount(account="3"),
    )
    async with answering({"/explain.json": Explanation(vendor="v", user="u", state="owed", why="", owed=owed)}) as url:
        said = await piped("explain", "--url", url, "v", "u")

    assert [line.strip() for line in said.out.splitlines() if "owed to" in line] == [
        "owed to 1: no attempt that counts: http-429, next try in 48 s; its gate is closed (retry-after)",
        "owed to 2: 1 attempt, last error http-500, next try in 1 min 00 s; its gate is closed (breaker)",
        "owed to 3: not tried yet, next try in 0 s",
    ]


async def test_json_is_the_same_value_with_what_does_not_print_escaped() -> None:
    host = f"{EVIL}\x7f\u2028\xa0\U000e0001 æøå 🎉"
    async with answering({"/status.json": Status(host=host)}) as url:
        said = await piped("status", "--url", url, "--output", "json", LANG="C")

    assert all(one.isprintable() for one in said.out.replace("\n", ""))
    assert r"\u0085" in said.out
    assert r"\u202e" in said.out
    assert r"\udb40\udc01 æøå 🎉" in said.out
    assert json.loads(said.out)[0]["status"]["host"] == host


# ---- Pods that are silent ----


async def test_explain_names_the_silent_and_says_where_they_may_know_more() -> None:
    gone = nobody()
    other = Explanation(vendor="v", user="u", state="elsewhere", why="ask there")
    async with answering({"/explain.json": other}) as there, answering({"/explain.json": TOLD}) as own:
        unsure = await piped("explain", "--url", gone, "--url", there, "v", "u")
        sure = await piped("explain", "--url", gone, "--url", there, "--url", own, "v", "u")
    none = await piped("explain", "--url", gone, "--url", nobody(), "v", "u")

    assert (unsure.status, unsure.out) == (0, "elsewhere: ask there\n")
    assert f"sesamy-makeas: {gone}: no usable answer" in unsure.err
    assert "may know more" in unsure.err
    assert (sure.status, sure.out.partition(":")[0], len(sure.err.splitlines())) == (0, "parked", 1)
    assert (none.status, none.out, len(none.err.splitlines())) == (69, "", 2)


async def test_json_of_several_pods_has_a_row_for_each_in_order() -> None:
    gone = nobody()
    async with answering({"/status.json": STATUS}) as there, answering({"/status.json": b'{"state": "asleep"}'}) as newer:
        urls = [gone, there, newer]
        said = await piped("status", "--output", "json", *(part for url in urls for part in ("--url", url)))

    rows = json.loads(said.out)
    assert said.status == 69
    assert [(row["url"], sorted(row)) for row in rows] == [(gone, ["error", "url"]), (there, ["status", "url"]), (newer, ["error", "url"])]
    assert rows[0]["error"].startswith("no usable answer (could not connect)")
    assert "a pod of another version" in rows[2]["error"]
    assert len(said.err.splitlines()) == 2


@pytest.mark.parametrize("args", [("status",), ("explain", "v", "u")])
async def test_json_without_a_bottom_is_no_bug_of_ours(args: tuple[str, ...]) -> None:
    deep = b'{"x":' * 100_000
    async with answering({"/status.json": deep, "/explain.json": deep}) as url:
        said = await piped(args[0], "--url", url, *args[1:])

    assert (said.status, said.out) == (69, "")
    assert f"{url}: no usable answer (what it says is no JSON)" in said.err


async def test_a_password_in_an_address_is_not_said() -> None:
    said = await piped("status", "--url", "http://ann:hunter2-canary@127.0.0.1:9")

    assert (said.status, said.out) == (64, "")
    assert "leave out" in said.err
    assert "hunter2-canary" not in said.err


# ---- Colours ----


@pytest.mark.parametrize(
    ("environ", "has"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
async def test_colours_on_a_terminal_that_wants_them(environ: dict[str, str], *, has: bool) -> None:
    async with answering({"/status.json": STATUS}) as url:
        status, text = await shown("status", "--url", url, **environ)
        in_a_pipe = await piped("status", "--url", url, **environ)

    assert (status, in_a_pipe.status) == (0, 0)
    assert ("\x1b[32m" in text, "\x1b" in text) == (has, has)
    assert "\x1b" not in in_a_pipe.out


async def test_a_watched_screen_is_a_screen_of_its_own_without_colours_too() -> None:
    async with answering({"/status.json": STATUS}) as url:
        status, screens = await watched("--url", url, environ={"NO_COLOR": "1"})

    assert (status, len(screens)) == (0, 2)
    assert not any("\x1b" in screen for screen in screens)


# ---- The screen of --watch ----


async def test_a_small_screen_keeps_the_verdict_and_the_state_and_counts_what_is_left_out() -> None:
    gone = nobody()
    async with answering({"/status.json": STATUS}) as url:
        _, screens = await watched("--url", url, "--url", gone, rows=16, columns=50)

    for screen in screens:
        drawn = re.sub("\x1b\\[[0-9;]*m", "", screen).split("\n")
        assert {len(line) for line in drawn} == {50}, "nothing is left of what was drawn before"
        lines = [line.rstrip() for line in drawn]
        assert len(lines) == 16
        assert lines[0] == "trouble: pod-a is not a member of the group: it"
        assert any(line.startswith("unknown: 1 of 2 pods silent") for line in lines)
        assert any(line.startswith(gone) and line.endswith("…") for line in lines)
        shown_gates = sum(line.startswith("account-") for line in lines)
        assert any(line.endswith(f"+{30 - shown_gates} fine") for line in lines)
        assert screen.count("\x1b[0m") >= 2


async def test_a_wide_character_takes_two_columns() -> None:
    async with answering({"/status.json": Status(host="漢" * 40 + "e\u0301")}) as url:
        _, screens = await watched("--url", url, columns=21)

    assert "\n漢漢漢漢漢漢漢漢漢漢…" in screens[0]


@pytest.mark.parametrize("args", [("status",), ("status", "--watch", "--every", "0.5")])
async def test_nothing_is_left_out_in_a_pipe_or_without_watch(args: tuple[str, ...]) -> None:
    async with answering({"/status.json": STATUS}) as url:
        process = await anyio.open_process(command(*args, "--url", url), env=environment({"LINES": "5", "COLUMNS": "20"}))
        assert process.stdout is not None
        seen = b""
        with anyio.fail_after(20):
            while b"version ?" not in seen:
                seen += await process.stdout.receive()
        process.terminate()
        await process.wait()
        await process.aclose()
        _, text = await shown("status", "--url", url, LINES="5", COLUMNS="20")

    assert "\nversion ?" in seen.decode()
    for found in (seen.decode(), text):
        assert "…" not in found
        assert f"account-29-{'x' * 40}" in found


# ---- How watching ends ----


async def heard(process: Process) -> Said:
    """Return what is said from now on, and how it ends."""
    with anyio.fail_after(20):
        out, err = await all_of(process.stdout), await all_of(process.stderr)
        status = await process.wait()
    await process.aclose()
    return Said(status, out, err)


async def all_of(stream: ByteReceiveStream | None) -> str:
    return "" if stream is None else b"".join([part async for part in stream]).decode()


@pytest.mark.parametrize(
    ("number", "before"),
    [(signal.SIGINT, ()), (signal.SIGTERM, ()), (signal.SIGTERM, ("sh", "-c", 'trap "" INT; exec "$@"', "sh"))],
    ids=["SIGINT", "SIGTERM", "SIGTERM in the background of a script, which ignores SIGINT"],
)
async def test_a_stopped_watch_is_fine_and_says_nothing(number: signal.Signals, before: tuple[str, ...]) -> None:
    watch = command("status", "--watch", "--every", "0.5", "--output", "json")
    async with answering({"/status.json": STATUS}) as url:
        process = await anyio.open_process([*before, *watch, "--url", url], env=environment({}))
        assert process.stdout is not None
        first = (await process.stdout.receive()).decode()
        process.send_signal(number)
        said = await heard(process)

    assert (said.status, said.err) == (0, "")
    assert {json.loads(line)[0]["status"]["host"] for line in (first + said.out).splitlines()} == {"pod-a"}


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("both", [False, True])
async def test_a_watch_ends_where_nobody_reads_on(output: str, *, both: bool) -> None:
    ours, theirs = os.pipe()
    args = ("status", "--watch", "--every", "0.5", "--output", output)
    async with answering({"/status.json": STATUS}) as url:
        errors = theirs if both else subprocess.PIPE
        process = await anyio.open_process(
            command(*args, "--url", url, "--url", nobody()), env=environment({}), stdout=theirs, stderr=errors
        )
        os.close(theirs)
        await anyio.to_thread.run_sync(os.read, ours, 1)
        os.close(ours)
        said = await heard(process)

    assert said.status == 0
    assert all("no usable answer" in line for line in said.err.splitlines())


async def test_another_command_that_is_interrupted_was_cut_off() -> None:
    """It has no answer yet, since the pod takes its time."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)
        process = await anyio.open_process(command("explain", "--url", f"http://127.0.0.1:{port}", "v", "u"), env=environment({}))
        stream = await listener.listeners[0].accept()  # type: ignore[attr-defined]
        process.send_signal(signal.SIGINT)
        with anyio.fail_after(20):
            status = await process.wait()
        await stream.aclose()
        await process.aclose()

    assert status == 75


# ---- Terminals that can less ----


NAMED: Final = Status(
    state="consuming",
    ready=True,
    host="pod-a",
    at=3600.0,
    group=GroupStatus(generation=1, lease_left_s=9.0, topic_partitions=1),
    partitions=(PartitionStatus(partition=0, position=1, end=1, committed=1),),
    lists=(ListStatus(vendor="v", account="1", list="7", name="Lørdag 漢", last_write_at=3599.0),),
    dead_letters=LetterCounts(open=0, need_person=0),
    last_hour=LastHour(events=(1, 2, 3)),
)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
async def test_a_terminal_of_few_characters_is_given_no_others(encoding: str) -> None:
    async with answering({"/status.json": NAMED}) as url:
        process = await anyio.run_process(
            command("status", "--url", url), check=False, env=environment({"PYTHONIOENCODING": encoding, "LC_ALL": "C"})
        )
    text = process.stdout.decode(encoding)

    assert (process.returncode, process.stderr) == (0, b"")
    assert text.startswith("fine: ")
    assert "L?rdag ? (7)" in text or "Lørdag ? (7)" in text
    assert ":+#" in text


async def test_a_pipe_of_few_characters_is_no_reason_to_say_nothing() -> None:
    async with answering({"/explain.json": structs.replace(TOLD, sentence="Lørdag 漢")}) as url:
        process = await anyio.run_process(
            command("explain", "--url", url, "v", "u"), check=False, env=environment({"PYTHONIOENCODING": "latin-1", "LC_ALL": "C"})
        )

    assert (process.returncode, process.stderr) == (0, b"")
    assert process.stdout.startswith(b"L\xf8rdag ?\n")


async def test_without_colours_the_words_alone_say_what_is_wrong() -> None:
    async with answering({"/status.json": STATUS}) as url:
        _, text = await shown("status", "--url", url, TERM="dumb", LANG="nb_NO.UTF-8")

    assert "\x1b" not in text
    assert text.startswith("trouble: pod-a is not a member of the group: it reads no events -> run `check --online`")


async def test_several_pods_are_one_first_and_then_a_line_each() -> None:
    async with answering({"/status.json": NAMED}) as one, answering({"/status.json": NAMED}) as two:
        said = await piped("status", "--url", one, "--url", two)
        data = await piped("status", "--url", one, "--url-dns", f"localhost:{two.rpartition(':')[2]}", "--output", "json")

    lines = said.out.splitlines()
    assert lines[0].startswith(f"notice: 1 of 1 partition held twice, number 0 by {one} and {two}")
    assert lines[1] == "2 pods hold 1 of 1 partition, 1 of them by two"
    assert [line.split("  ")[:2] for line in lines[-2:]] == [["consuming", one], ["consuming", two]]
    assert [row["url"] for row in json.loads(data.out)][:2] == [one, two]


async def test_a_name_that_is_none_ends_with_69() -> None:
    said = await piped("status", "--url-dns", "no-such-name.invalid:8080")

    assert (said.status, said.out) == (69, "")
    assert "dns://no-such-name.invalid:8080: the name can't be resolved" in said.err


async def test_an_address_is_in_no_url_and_an_id_that_looks_like_one_may_be() -> None:
    async with answering({"/explain.json": TOLD}) as url:
        address = await piped("explain", "--url", url, "v", "ann@example.com")
        forced = await piped("explain", "--url", url, "--email", "v", "ann")
        id_ = await piped("explain", "--url", url, "--id", "v", "ann@example.com")

    assert (address.status, forced.status, id_.status) == (64, 64, 0)
    assert "--online only" in address.err
    assert "ann@" not in address.out + address.err
