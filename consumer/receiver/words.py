"""The words of an answer: what each code means to those that set the endpoint up at Sesamy, and what to do."""

from typing import Final

from ..core.webhook import MAX_EVENTS
from ..telemetry.fences import BUG

WORDS: Final = {
    "no-such-path": "nothing is here: post to receive.path",
    "post-only": "events are posted: use POST",
    "no-secret": "the header with the secret is missing, or stands twice: give the endpoint at Sesamy its static header (receive.header)",
    "wrong-secret": "the header's value is neither receive.secret nor receive.second_secret: make both sides the same",
    "wrong-content-type": "the body must be JSON by its Content-Type: application/json",
    "wrong-charset": "the body must be UTF-8 by its Content-Type",
    "wrong-content-encoding": "the body must not be packed: leave Content-Encoding out",
    "too-large": "a body has at most 1 MiB, an event at most 64 KiB",
    "too-slow": "the body did not come in time",
    "cut-off": "the body ended before it was whole",
    "not-json": "an event is a JSON object, and a body one such or an array of them",
    "no-ids": "an event has eventType, vendorId and userId at its top, each a string of 1 to 256 characters",
    "too-many": f"a body has at most {MAX_EVENTS:,} events: send more in several",
    "no-events": "the array is empty",
    "busy": "more come at once than receive.max_in_flight: send it again",
    "draining": "this receiver is about to end: send it again",
    "kafka": "Kafka has not surely taken it: send it again, twice does no harm",
    BUG: "our bug: send it again",
}
"""Code -> a sentence that holds nothing of the request."""
