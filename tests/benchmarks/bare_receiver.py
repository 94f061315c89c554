"""A bare handler of webhooks: aiohttp and aiokafka, and nothing between them; run as a process of its own."""

import json
import sys

import anyio
from aiohttp import web
from aiokafka import AIOKafkaProducer

from consumer.telemetry.loop import run


async def serve(bootstrap: str, topic: str, port: int) -> None:
    """Answer 202 to each event once the broker has it, until killed."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()

    async def post(request: web.Request) -> web.Response:
        body = await request.read()
        event = json.loads(body)
        await producer.send_and_wait(topic, value=body, key=f"{event['vendorId']}|{event['userId']}".encode())
        return web.Response(status=202)

    async def ready(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_post("/events", post)
    app.router.add_get("/readyz", ready)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await anyio.sleep_forever()


if __name__ == "__main__":
    run(serve, sys.argv[1], sys.argv[2], int(sys.argv[3]))
