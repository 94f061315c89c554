"""`python -m tests.simulation SEED [SEED...]`: live through seeds again, and say how it went."""

import sys

from tests.simulation.run import simulate

if __name__ == "__main__":
    for seed in map(int, sys.argv[1:]):
        world = simulate(seed)
        print(f"seed {seed}: {len(world.sent)} events, {world.writes} writes, {world.calls} calls, {len(world.parked)} parked")
