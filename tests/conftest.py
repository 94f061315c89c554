"""What every tier shares: blocking calls in the event loop are errors, and Hypothesis has three profiles."""

import logging
import os
import signal
from collections.abc import Iterator
from random import SystemRandom

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import HealthCheck, Phase, settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", derandomize=False, deadline=None, max_examples=1_000, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "mutants",  # Whether anything fails is all that counts: no time for a small example.
    settings.get_profile("ci"),
    phases=[Phase.explicit, Phase.generate],
    database=None,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure() -> None:
    """Draw the seeds that nobody has seen, which the workers have from the first process; let Ctrl-C reach what tests start."""
    os.environ.setdefault("SIMULATION_FRESH_FROM", str(SystemRandom().randrange(10**6, 10**9)))
    # What a shell starts in the background of a script ignores SIGINT, and so would every process that a test starts, and interrupts: it
    # is inherited. What is caught is not.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Say which they are."""
    return f"simulation: fresh seeds from SIMULATION_FRESH_FROM={os.environ['SIMULATION_FRESH_FROM']}"


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """Fail the test whose package code blocks the event loop; stand-ins may."""
    with blockbuster_ctx("consumer", excluded_modules=["consumer.sandbox"]) as guard:
        yield guard


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Undo what a command that a test calls in this process does to the process's logs."""
    loggers = logging.getLogger(), logging.getLogger("consumer")
    before = [(one, [*one.handlers], one.level) for one in loggers]
    yield
    for one, handlers, level in before:
        one.handlers[:] = handlers
        one.setLevel(level)
