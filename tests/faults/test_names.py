"""Names can't be resolved, and certificates can't be trusted."""

import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import pytest
import trustme
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.tls import TLSStream

from consumer.sandbox.town import PLACES, VENDORS
from tests.faults.matrix import play, row
from tests.faults.proxy import Proxy, proxied
from tests.faults.scene import Scene
from tests.faults.told import failed, open_everywhere, parked, shut

ACCOUNTS: Final = tuple(place.account for place in PLACES)
_SESAMY, _MAKEAS = "sesamy.localhost", "makeas.localhost"


class Names:
    """What is wrong with the names that pods ask for."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._state, self._lookups = folder / "names", folder / "lookups"
        home = folder / "site"
        home.mkdir()
        (home / "sitecustomize.py").write_bytes((Path(__file__).parent / "misnamed.py").read_bytes())
        monkeypatch.setenv("PYTHONPATH", f"{home}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep))
        monkeypatch.setenv("NAMES_STATE", str(self._state))
        monkeypatch.setenv("NAMES_LOOKUPS", str(self._lookups))

    def be(self, **wrong: str) -> None:
        """Let `sesamy` or `makeas` be resolved so from now on; the other is well."""
        new = self._state.with_suffix(".new")
        new.write_text("".join(f"{name}.localhost {one}\n" for name, one in wrong.items()), encoding="utf-8")
        new.replace(self._state)

    def asked(self, name: str, said: str) -> int:
        """Return how often a name was asked for while it was so."""
        text = self._lookups.read_text(encoding="utf-8") if self._lookups.exists() else ""
        return text.splitlines().count(f"{name} {said}")


@row(
    "F31",
    "names can't be resolved",
    "Make.as' name is unknown, hangs, is another's address, flaps, then Sesamy's hangs: in the pods' getaddrinfo",
)
async def test_names_cant_be_resolved(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an outage as any other: the gates shut, nobody is parked, and a name that hangs keeps none of the others waiting."""
    monkeypatch.setenv("MAKEAS_TIMEOUT_S", "2")
    monkeypatch.setenv("SESAMY_TIMEOUT_S", "2")
    names = Names(tmp_path, monkeypatch)
    async with proxied(_address(scene._urls[0])) as sesamy, proxied(_address(scene._urls[1])) as makeas:
        scene._urls = (f"http://{_SESAMY}:{sesamy.port}", f"http://{_MAKEAS}:{makeas.port}")

        async def goes_wrong(proxy: Proxy, name: str, upstream: str, said: str) -> None:
            names.be(**{name.partition(".")[0]: said})
            before, code = names.asked(name, said), {"unknown": "dns", "hang": "timeout"}.get(said)
            with anyio.fail_after(60):
                # A name is remembered for 10 s, and a connection for as long as it is used. A shut gate lets a probe in now and then.
                while names.asked(name, said) == before or (code is not None and code not in await failed(scene, upstream)):
                    proxy.reset()
                    await anyio.sleep(2.5)  # A name that hangs fails a call after 2 s.

        async def is_well() -> None:
            names.be()
            with anyio.fail_after(60):
                while await _shut(scene):
                    await anyio.sleep(0.2)

        async def trouble() -> None:
            for said in ("unknown", "hang", "elsewhere", "flap"):
                await goes_wrong(makeas, _MAKEAS, ACCOUNTS[0], said)
                await is_well()  # Else the gate is shut, and next to nobody meets what comes next.
            await goes_wrong(sesamy, _SESAMY, f"sesamy:{VENDORS[0]}", "hang")
            await is_well()

        await play(scene, "F31", trouble)
        assert {"dns", "timeout"} <= await failed(scene, ACCOUNTS[0])
        assert "timeout" in await failed(scene, f"sesamy:{VENDORS[0]}")
        assert await parked(scene) == []


async def _shut(scene: Scene) -> list[str]:
    said = [await pod.status() for pod in scene.alive]
    return [one.name for status in said if status is not None for one in status.upstreams if one.cause]


def _address(url: str) -> str:
    return url.removeprefix("http://")


class TlsFront:
    """Takes TLS connections, with the certificate that it is told to show, and passes what comes to a plain server."""

    def __init__(self, target: str, shown: ssl.SSLContext) -> None:
        self._target = target
        self.shown = shown
        self.shaken = self.failed = 0
        """Handshakes that came to an end, and that did not."""

    async def serve(self, raw: SocketStream) -> None:
        """Serve a connection."""
        try:
            secure = await TLSStream.wrap(raw, server_side=True, ssl_context=self.shown, standard_compatible=False)
        except (OSError, ssl.SSLError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            self.failed += 1
            await raw.aclose()
            return
        self.shaken += 1
        host, _, port = self._target.rpartition(":")
        async with secure, await anyio.connect_tcp(host, int(port)) as plain, anyio.create_task_group() as both:

            async def move(source: anyio.abc.ByteStream, sink: anyio.abc.ByteStream) -> None:
                try:
                    async for part in source:
                        await sink.send(part)
                except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
                    pass
                both.cancel_scope.cancel()

            both.start_soon(move, secure, plain)
            both.start_soon(move, plain, secure)


@asynccontextmanager
async def _front(target: str, shown: ssl.SSLContext) -> AsyncIterator[tuple[TlsFront, Proxy]]:
    """Serve TLS before `target`, behind a proxy that can cut and hold it."""
    front = TlsFront(target, shown)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, front.serve)
        port = listener.extra(SocketAttribute.local_port)
        try:
            async with proxied(f"127.0.0.1:{port}") as proxy:
                yield front, proxy
        finally:
            tasks.cancel_scope.cancel()


def _contexts(folder: Path) -> dict[str, ssl.SSLContext]:
    ours, unknown = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(str(folder / "ca.pem"))
    past = datetime.now(UTC) - timedelta(days=1)
    made = {}
    for name, one in {
        "good": ours.issue_cert("127.0.0.1"),
        "unknown authority": unknown.issue_cert("127.0.0.1"),
        "another host": ours.issue_cert("elsewhere.example"),
        "expired": ours.issue_cert("127.0.0.1", not_after=past),
    }.items():
        made[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        one.configure_cert(made[name])
    return made


@row(
    "F32",
    "certificates that can't be trusted",
    "Make.as shows one of an unknown authority, of another host, one that is over, then no handshake ends",
)
async def test_certificates_that_cant_be_trusted(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a byte of a request is sent, in the clear or otherwise; all goes on by itself once the right one is shown."""
    monkeypatch.setenv("MAKEAS_TIMEOUT_S", "2")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    contexts = _contexts(tmp_path)
    async with _front(_address(scene._urls[1]), contexts["good"]) as (front, proxy):
        scene._urls = (scene._urls[0], f"https://{proxy.address}")

        async def shows(change: Callable[[], None]) -> None:
            change()
            proxy.reset()
            await anyio.sleep(0.1)  # What had passed the proxy is answered by now.
            shaken = front.shaken
            for account in ACCOUNTS:
                await shut(scene, account, "breaker", within_s=40)
            assert front.shaken == shaken
            front.shown = contexts["good"]
            await proxy.heal()
            proxy.reset()
            with anyio.fail_after(60):
                while await _shut(scene):
                    await anyio.sleep(0.2)

        async def trouble() -> None:
            for name in ("unknown authority", "another host", "expired"):
                await shows(partial(setattr, front, "shown", contexts[name]))
            assert front.failed > 0
            await shows(proxy.up.black_hole)

        await play(scene, "F32", trouble)
        assert {"tls", "timeout"} <= await failed(scene, ACCOUNTS[0])
        assert await parked(scene) == []
        await open_everywhere(scene)
