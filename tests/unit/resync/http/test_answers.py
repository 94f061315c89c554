"""An answer's body, decoded."""

import pytest
from aiohttp import web

from consumer.core.errors import Retryable
from consumer.sandbox.stand_ins.faults import Fault, Faults, Kind
from tests.unit.resync.http.test_exchange import fails


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("html", "not-json"),
        ("half-json", "not-json"),
        ("huge", "too-large"),
        ("gzip", "encoded"),
        ("redirect", "redirect"),
        ("drip", "timeout"),
        ("hang", "timeout"),
        ("cut", "cut"),
    ],
)
async def test_no_bad_answer_is_taken_for_success(kind: Kind, code: str) -> None:
    faults = Faults()
    faults.add(Fault(kind=kind))

    async def handler(request: web.Request) -> web.StreamResponse:
        async def fine() -> web.Response:
            return web.json_response({})

        return await faults.around(request, "make", "contact", "", fine)

    # Short only where the time limit is what ends it: a large answer takes a busy machine longer.
    error = await fails(handler, timeout_s=0.5 if code == "timeout" else 30.0)

    assert (Retryable, code) == (type(error), error.code)
