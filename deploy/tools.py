"""The programs that `make deploy-check` needs: what is missing is said before minutes of building. Exit status 1: something is."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

# What can't be installed beside the tests, and its cure.
NEEDED = {
    "go": "install Go 1.23 or newer (https://go.dev/dl); it builds kustomize and kube-score, from its module proxy",
    "promtool": "install Prometheus, which has it: on Debian and Ubuntu apt-get install prometheus",
}
# As of this one, Go fetches the newer one that a module asks for.
FIRST_GO = (1, 21)


def missing() -> Iterator[str]:
    """Give each program that is not there or too old, with its cure."""
    for name, cure in NEEDED.items():
        found = shutil.which(name)
        if found is None:
            yield f"deploy-check: {name} is missing; cure: {cure}"
        elif name == "go" and is_old(said := version(found)):
            yield f"deploy-check: {said.strip()} is too old; cure: {cure}"


def version(go: str) -> str:
    """Return what Go says of its version."""
    return subprocess.run([go, "version"], capture_output=True, text=True, timeout=60, check=False).stdout


def is_old(said: str) -> bool:
    """Say whether that is the version of a Go that can't fetch a newer one."""
    found = re.search(r"go(\d+)\.(\d+)", said)
    return found is not None and (int(found[1]), int(found[2])) < FIRST_GO


if __name__ == "__main__":
    lacks = list(missing())
    sys.stderr.writelines(f"{line}\n" for line in lacks)
    sys.exit(bool(lacks))
