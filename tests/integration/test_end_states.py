"""What the lists hold in the end, where the other side answers as nobody hoped, on a real Kafka and by the oracle."""

import json
from collections.abc import Collection
from pathlib import Path

import pytest

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.oracle import differences
from consumer.sandbox.publishers import event
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.stand_ins.makeas_reads import Reads
from consumer.sandbox.stand_ins.sesamy import Sesamy
from consumer.sandbox.town import PLACES, VENDORS, Place, Town, town
from tests.integration.harness import Pod, Stage, staged, until
from tests.integration.odd_answers import MEANT, UNUSABLE
from tests.integration.some_readers import add_article_readers, reader_with

FIRST, SECOND, THIRD = (place.account for place in PLACES)
ONE_TRY = "[workers]\nmax_attempts = 1\nbackoff_s = 0.1\n"
BOUGHT = "sesamy_made_single_purchase"


async def touch(stage: Stage, vendor: str, users: Collection[str]) -> None:
    await stage.send(event(vendor, user, "contract.1#update") for user in users)


async def written(stage: Stage, vendor: str, users: Collection[str]) -> None:
    """Wait until these readers are at Make.as as Sesamy has them."""
    places = [place for place in PLACES if place.vendor == vendor]

    async def agree() -> bool:
        return not any(stage.town.wrong(place, set(users)) for place in places)

    def said() -> str:
        return f"{[stage.town.wrong(place, set(users)) for place in places]}; {[pod.said() for pod in stage.pods]}"

    await until(agree, what=said, within_s=30)
    assert stage.town.violations() == []


async def gates(pod: Pod) -> dict[str, str]:
    """Return why each gate is shut, by its name."""
    status = await pod.status()
    assert status is not None
    return {one.name: one.cause for one in status.upstreams}


def user_of(letter: dict[str, str]) -> str:
    return str(json.loads(letter["value"])["userId"])


async def heal_all(stage: Stage) -> None:
    said = await stage.command("dead-letters", "requeue", "--all", "--yes")
    assert said.status == 0, said


# ---- One reader or one list ----


async def test_who_is_forbidden_is_parked_and_sixty_others_are_written(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """One reader is forbidden at an account, one at Sesamy's user call."""
    async with town(tmp_path, readers=34) as here, staged(here, kafka, topic, tmp_path) as stage:
        at_account, at_sesamy = here.reader(VENDORS[0], 3), here.reader(VENDORS[1], 3)
        email = here.address(VENDORS[0], at_account)
        here.makeas.faults.add(Fault(kind="status", upstream=FIRST, user=email, status=403))
        here.sesamy.faults.add(Fault(kind="status", upstream=VENDORS[1], op="user", user=at_sesamy, status=403))
        pod = await stage.pod(more="[workers]\nmax_attempts = 3\nbackoff_s = 0.2\nbackoff_max_s = 1.0\n").start()
        await stage.touch_all()

        others = {vendor: [one for one in here.writable(vendor) if one not in {at_account, at_sesamy}] for vendor in VENDORS}
        assert sum(map(len, others.values())) == 60
        for vendor in VENDORS:
            await written(stage, vendor, others[vendor])
        letters = {user_of(one): one for one in await stage.letters(2)}
        assert {
            user: (one["error.code"], one["attempts"], one["error.stage"], one.get("makeas.account")) for user, one in letters.items()
        } == {
            at_account: ("http-403", "3", "makeas", FIRST),
            at_sesamy: ("http-403", "3", "sesamy", None),
        }
        await stage.idle(pod)
        assert sum(offset or 0 for offset in (await stage.committed()).values()) == sum(len(here.readers(vendor)) for vendor in VENDORS)
        assert set((await gates(pod)).values()) == {""}
        assert [len(here.wrong(place)) for place in PLACES] == [1, 0, 1]
        assert (here.makeas.faults.seen, here.sesamy.faults.seen) == (3, 3)


@pytest.mark.parametrize("status", [403, 404, 422])
async def test_a_list_that_is_gone_keeps_nobody_off_its_sibling(kafka: Broker, topic: str, tmp_path: Path, status: int) -> None:
    kept, gone = PLACES[0].lists
    async with town(tmp_path, readers=14) as here, staged(here, kafka, topic, tmp_path) as stage:
        account, users = here.account(PLACES[0]), here.writable(VENDORS[0])
        account.refuses[gone] = status
        pod = await stage.pod(more=ONE_TRY + "hold_s = 3.0\n").start()
        await touch(stage, VENDORS[0], users)

        async def all_are_on_the_other() -> bool:
            return not differences(here.sesamy.users[VENDORS[0]], set(users), account, {kept})

        await until(all_are_on_the_other, what=pod.said, within_s=30)
        await stage.agree(accounts=[SECOND])
        await stage.idle(pod)
        letters = await stage.letters(len(users), within_s=3)
        assert {(one["makeas.account"], one["makeas.lists"]) for one in letters} == {(FIRST, gone)}
        assert set(here.wrong(PLACES[0])) <= {user_of(one) for one in letters}

        account.refuses.clear()
        await heal_all(stage)
        await stage.agree(accounts=[FIRST])


@pytest.mark.parametrize("op", ["upsert", "subscriptions"])
async def test_whose_rows_are_refused_in_a_success_is_parked_alone(kafka: Broker, topic: str, tmp_path: Path, op: str) -> None:
    refusals: list[object] = [{"success": False}, {"data": [{"errors": ["x"]}]}, {"inserted": 0, "invalid": [1]}]
    async with town(tmp_path, readers=20) as here, staged(here, kafka, topic, tmp_path) as stage:
        refused = [user for user in here.writable(VENDORS[0]) if _is_sent(here, user)][: len(refusals)]
        for user, body in zip(refused, refusals, strict=True):
            here.makeas.faults.add(Fault(kind="body", upstream=SECOND, op=op, user=here.address(VENDORS[0], user), body=body))
        pod = await stage.pod().start()
        await stage.touch_all()

        letters = await stage.letters(len(refusals))
        assert {user_of(one): (one["error.code"], one["makeas.account"], one["attempts"]) for one in letters} == dict.fromkeys(
            refused, ("rows", SECOND, "1")
        )
        for vendor in VENDORS:
            await written(stage, vendor, [user for user in here.writable(vendor) if user not in refused])
        await stage.agree(accounts=[FIRST, THIRD])
        await stage.idle(pod)
        here.makeas.faults.clear()
        await heal_all(stage)
        await stage.agree()


def _is_sent(here: Town, user: str) -> bool:
    """Say whether a reader has a subscription to send, and is new to the second account."""
    items = [one["items"] for one in here.sesamy.users[VENDORS[0]][user]["contracts"]]
    return any(items) and here.address(VENDORS[0], user) not in here.account(PLACES[1]).contacts


# ---- Sesamy ----


async def test_readers_of_single_articles_are_written_with_the_right_tag(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """First the only one that is, then half of all, some of them beside a subscription."""
    async with town(tmp_path, readers=12) as here, staged(here, kafka, topic, tmp_path) as stage:
        bought = add_article_readers(here)
        known = here.address(VENDORS[0], "email|earlier-0")
        here.account(PLACES[0]).contact(known, tags=["Quiz 2024", BOUGHT], lists=list(PLACES[0].lists))
        pod = await stage.pod().start()

        await touch(stage, VENDORS[0], ["email|article-0"])
        await written(stage, VENDORS[0], ["email|article-0"])
        await stage.touch_all()
        await stage.agree()
        await stage.idle(pod)

        assert 2 * len(bought) >= len(here.writable(VENDORS[0]))
        for place in PLACES[:2]:
            tags = {user: here.account(place).contacts[here.address(VENDORS[0], user)]["tags"] for user in bought}
            expected = bought | {"email|earlier-0": place.account == FIRST}
            assert {user: BOUGHT in tags[user] for user in bought} == expected
        assert await stage.letters(1, within_s=1) == []


async def test_a_users_path_that_is_wrong_skips_nobody(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """At one vendor everybody has rows, at the other nobody has any: so a 404 is all that is said of them."""
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as stage:
        for user in here.writable(VENDORS[0]):
            if not here.sesamy.users[VENDORS[0]][user]["contracts"]:
                del here.sesamy.users[VENDORS[0]][user]
        for one in here.sesamy.users[VENDORS[1]].values():
            one |= {"contracts": [], "entitlements": []}
        here.sesamy.knows_nobody = True
        pod = await stage.pod().start()
        await stage.touch_all()

        async def both_are_shut() -> bool:
            shut = await gates(pod)
            return (shut[f"sesamy:{VENDORS[0]}"], shut[f"sesamy:{VENDORS[1]}"]) == ("breaker", "absent")

        await until(both_are_shut, what=pod.said, within_s=30)
        assert not any(here.account(place).written for place in PLACES)
        here.sesamy.knows_nobody = False

        await stage.agree()
        await stage.idle(pod)
        assert await stage.letters(1, within_s=1) == []


async def test_a_cap_of_pages_that_nobody_tells_loses_no_row(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """The caps rise: a server that lowers its own within the hour can't be told from one whose list has ended."""
    sesamy = Sesamy(envelope="bare", page_cap=5)
    async with town(tmp_path, readers=2, sesamy=sesamy) as here, staged(here, kafka, topic, tmp_path) as stage:
        pod = await stage.pod().start()
        for cap in (5, 12, 15, 24, 32, 40, 48):
            sesamy.page_cap = cap
            for vendor in VENDORS:
                users = [reader_with(here, vendor, rows, f"{cap}-{rows}") for rows in (1, cap - 1, cap, cap + 1, 60)]
                await touch(stage, vendor, users)
            for vendor in VENDORS:
                await written(stage, vendor, [user for user in here.readers(vendor) if user.startswith(f"email|{cap}-")])

        contact = here.account(PLACES[0]).contacts[here.address(VENDORS[0], "email|5-60")]
        assert sum(tag.startswith("sesamy_active_sku_vare-") for tag in contact["tags"]) == 60
        assert sum(one.startswith("email|5-60-c") for one in here.account(PLACES[0]).subscriptions) == 60
        await stage.idle(pod)


async def test_what_is_odd_is_read_as_it_is_meant(kafka: Broker, topic: str, tmp_path: Path) -> None:
    async with town(tmp_path, readers=0) as here, staged(here, kafka, topic, tmp_path) as stage:
        here.sesamy.odd["token"] = lambda body: {**body, "expires_in": int("9" * 401)}
        named = dict[str, str]()
        for number, (name, shape) in enumerate(MEANT.items()):
            vendor, user = VENDORS[number % 2], f"email|odd-{number}"
            here.sesamy.users[vendor][user] = shape.reader(user)
            here.sesamy.odd_of[shape.op, user] = shape.odd
            named[user] = name
        pod = await stage.pod(more=ONE_TRY).start()
        await stage.touch_all()

        def wrong() -> dict[str, list[str]]:
            return {named[user]: wrong for place in PLACES for user, wrong in here.wrong(place).items()}

        async def nothing_is() -> bool:
            return not wrong()

        await until(nothing_is, what=lambda: f"{wrong()}; {pod.said()}", within_s=20)
        await stage.idle(pod)


async def test_what_can_be_no_answer_writes_nothing(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """Fewer than five at a time and vendor, and a good one between: or it would be the vendor that is at fault."""
    async with town(tmp_path, readers=0) as here, staged(here, kafka, topic, tmp_path) as stage:
        pod = await stage.pod(more=ONE_TRY).start()
        named, codes = dict[str, str](), dict[str, str]()
        table = list(UNUSABLE.items())
        for start in range(0, len(table), 8):
            for number, (name, (shape, code)) in enumerate(table[start : start + 8], start):
                vendor, user = VENDORS[number % 2], f"email|odd-{number}"
                here.sesamy.users[vendor][user] = shape.reader(user)
                here.sesamy.odd_of[shape.op, user] = shape.odd
                named[user], codes[name] = name, code
                await touch(stage, vendor, [user])
            await stage.letters(len(named))
            for vendor in VENDORS:
                good = reader_with(here, vendor, 1, f"good-{start}")
                await touch(stage, vendor, [good])
                await written(stage, vendor, [good])

        await stage.idle(pod)
        assert {named[user_of(one)]: one["error.code"] for one in await stage.letters(len(named))} == codes
        assert {named[user] for place in PLACES for user in here.wrong(place) if user in named} == set(codes)
        assert not [email for place in PLACES for email in here.account(place).contacts if email.startswith("odd.")]

        here.sesamy.odd_of.clear()
        await heal_all(stage)
        await stage.agree()


# ---- Make.as ----


async def test_tags_of_others_outlive_a_server_that_does_not_heed_the_mode(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """One account replaces whatever is asked for, one merges; new contacts, known ones, and those who left."""
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as stage:
        here.account(PLACES[0]).always, here.account(PLACES[1]).always = "replace", "merge"
        pod = await stage.pod().start()
        await stage.touch_all()
        await stage.agree(accounts=[FIRST, THIRD])
        await stage.idle(pod)
        for place in PLACES:
            for contact in list(here.account(place).contacts.values()):
                here.account(place).add_tag(contact["email"], "Høst 2026")
        for vendor in VENDORS:
            for user in here.readers(vendor):
                here.sesamy.users[vendor][user]["profile"] |= {"lastName": "Ny", "tags": ["Ny"]}
        await stage.touch_all()

        await stage.agree(accounts=[FIRST, THIRD])
        await stage.idle(pod)
        # Nothing can be taken away where all is merged: stale tags of ours are all that is wrong there.
        assert {one.partition(", stale")[0] for wrong in here.wrong(PLACES[1]).values() for one in wrong} == {"tags: missing []"}
        assert min(here.makeas.calls[place.account, op] for place in PLACES for op in ("upsert", "update")) > 0


ALL, KNOWN = "all", "not those who are known"
READS: list[dict[str, tuple[Reads, str]]] = [
    {
        FIRST: (Reads(hides_left=True), ALL),
        SECOND: (Reads(contact_status=""), ALL),
        THIRD: (Reads(contact_status="state"), ALL),
    },
    {
        FIRST: (Reads(refuses=404), ALL),
        SECOND: (Reads(row_status="", contact_status=""), KNOWN),
        THIRD: (Reads(row_status="status", contact_status=""), ALL),
    },
]


@pytest.mark.parametrize("reads", READS, ids=["the contact does not say", "the rows do not say"])
async def test_who_left_is_put_on_no_list_and_everybody_else_is(
    kafka: Broker, topic: str, tmp_path: Path, reads: dict[str, tuple[Reads, str]]
) -> None:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as stage:
        for place in PLACES:
            here.account(place).reads = reads[place.account][0]
            _let_some_leave(here, place)
        known = {place.account: set(here.account(place).contacts) for place in PLACES}
        before = {account: {one: list(here.makeas.accounts[account].contacts[one]["lists"]) for one in known[account]} for account in known}
        pod = await stage.pod().start()
        await stage.touch_all()
        await stage.agree(accounts=[account for account, (_, whom) in reads.items() if whom == ALL])
        await stage.idle(pod)

        assert here.violations() == []
        for account, (_, whom) in reads.items():
            place = next(one for one in PLACES if one.account == account)
            wrong = {here.address(place.vendor, user): said for user, said in here.wrong(place).items()}
            lacks = {one for one in known[account] if not before[account][one]} if whom == KNOWN else set()
            assert wrong == {one: ["not on every list"] for one in lacks}
            assert whom == ALL or lacks


def _let_some_leave(here: Town, place: Place) -> None:
    """Make contacts of five readers: three have left, one only the last list, one is on no list yet."""
    account = here.account(place)
    new = [one for user in here.writable(place.vendor) if (one := here.address(place.vendor, user)) not in account.contacts]
    for email, status in zip(new, ("unsubscribed", "bounce", "unsubscribed"), strict=False):
        account.contact(email, lists=list(place.lists), email_status=status, tags=["Quiz 2024"])
    account.contact(new[3], lists=[], tags=["Quiz 2024"])
    if account.reads.refuses is None:  # Where nobody tells who left a list, nobody knows.
        account.contact(new[4], lists=list(place.lists), tags=["Quiz 2024"])
        account.leave(new[4], list_id=place.lists[-1])
