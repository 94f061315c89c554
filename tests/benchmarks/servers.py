"""Both remote sides with 20 ms for each answer and no thought: prints its address, serves until it is ended."""

import asyncio
import sys

from aiohttp import web

from consumer.sandbox.stand_ins.server import serving

_DELAY_S = 0.02


def unlimited(url: str) -> str:
    """Return settings for such servers, whose limits no benchmark meets."""
    return f"""[sesamy]
base_url = "{url}"
token_url = "{url}/oauth/token"
requests_per_minute = 1000000
burst = 1000000
[makeas]
base_url = "{url}/make"
requests_per_second = 1000000
burst = 1000000
max_in_flight = 64"""


async def _answer(request: web.Request) -> web.Response:
    await request.read()
    await asyncio.sleep(_DELAY_S)
    path = request.path
    if path == "/oauth/token":
        return web.json_response({"access_token": "t", "expires_in": 86400})
    if path.startswith("/management/users/"):
        return web.json_response({"userId": path.rpartition("/")[2], "email": f"{path.rpartition('/')[2]}@example.com", "firstName": "A"})
    if path == "/management/contracts":
        user = request.query["userId"]
        if not user.startswith("u"):  # Who asks whether this is heeded.
            return web.json_response([])
        item = {"sku": "s", "name": "N", "purchaseOptionId": "o", "purchaseOptionName": "O"}
        rows = [{"id": f"c-{user}", "userId": user, "status": "ACTIVE", "items": [item]}]
        return web.json_response({"data": rows, "pagination": {"total": 1}})
    if path == "/management/entitlements" or path.endswith("/subscribers/by_list"):
        return web.json_response([])
    return web.json_response({"message": "no such contact"}, status=404 if path.endswith("by_email") else 200)


async def serve(app: web.Application) -> None:
    """Serve for ever, and print the address."""
    async with serving(app) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


async def main() -> None:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", _answer)
    await serve(app)


if __name__ == "__main__":
    asyncio.run(main())
