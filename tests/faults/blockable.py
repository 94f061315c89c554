"""`python -m tests.faults.blockable`: the consumer, whose event loop stands still for BLOCK_S seconds at each SIGUSR1."""

import os
import signal
import sys
import time

from consumer.__main__ import main

if __name__ == "__main__":
    # Python runs it between two steps of the loop, as any code that forgets to await.
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(float(os.environ["BLOCK_S"])))
    sys.exit(main())
