"""`python -m tests.simulation SEED [SEED...]`: live through seeds again, and say how it went."""

import sys

from tests.simulation.run import simulate

if __name__ == "__main__":
    for seed in map(int, sys.argv[1:]):
        world = simulate(seed)
        print(f"seed {seed}: {len(world.seen.sent)} events, {world.calls} calls, {len(world.seen.letters)} letters; every promise held")
