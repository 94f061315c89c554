"""The exchange of a dry run: questions go through, and nothing else does."""

from base64 import b64encode
from typing import Final

import pytest

from consumer.core.errors import Held
from consumer.resync.http import exchange as http
from consumer.resync.shadow.read_only import ReadOnly
from consumer.sandbox.stand_ins import makeas as stand_in
from consumer.sandbox.stand_ins.server import serving

BY_EMAIL: Final = "/subscribers/by_email"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/subscribers", "/subscribers/1", "/subscribers/subscriptions/bulkinsert", f"{BY_EMAIL}/1"])
async def test_what_may_write_never_leaves(method: str, path: str) -> None:
    made = stand_in.MakeAs()
    made.add_account("1001", key="k", lists={"1"})
    async with serving(made.app()) as url, http.session(connections=1) as session:
        one = ReadOnly(session, upstream="1001", base_url=f"{url}/api/public/v2", timeout_s=5.0)
        with pytest.raises(Held) as caught:
            await one.exchange("upsert", method, path, json={})

    assert (caught.value.code, sum(made.calls.values())) == ("dry-run", 0)


@pytest.mark.parametrize(("op", "method", "path"), [("contact", "POST", BY_EMAIL), ("list", "GET", "/subscriberlists/1")])
async def test_a_question_goes_through(op: str, method: str, path: str) -> None:
    made = stand_in.MakeAs()
    made.add_account("1001", key="k", lists={"1"})
    login = "Basic " + b64encode(b"1001:k").decode("ascii")
    async with serving(made.app()) as url, http.session(connections=1) as session:
        one = ReadOnly(session, upstream="1001", base_url=f"{url}/api/public/v2", timeout_s=5.0)
        json = {"email": "a@example.com"} if method == "POST" else None
        answer = await one.exchange(op, method, path, headers={"Authorization": login}, json=json, also=(404,))

    assert (answer.status, sum(made.calls.values())) == (404 if op == "contact" else 200, 1)
