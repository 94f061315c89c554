"""`python -m tests.mutants`: build in each fault of the list, or a share of it, and see whether the tests notice."""

import os
import sys
from collections import Counter
from typing import Final

import click

from tests.mutants.mutants import ROOT, Mutant, load
from tests.mutants.run import Judged, Verdict, fails_without, judge

TABLE: Final = ROOT / "tests" / "MUTANTS.md"
_GOOD: Final = {Verdict.NOTICED, Verdict.EXPLAINED}


def share_of(mutants: list[Mutant], share: str) -> list[Mutant]:
    """Return the I-th of N parts, as `I/N` says, I from 0; each fault is in exactly one."""
    turn, _, parts = share.partition("/")
    return mutants[int(turn) % int(parts) :: int(parts)]


def table(judged: dict[str, list[Judged]]) -> str:
    """Return the verdicts as Markdown."""
    lines = [
        "# Built-in faults, and who notices",
        "",
        "Each fault is built into the consumer alone; then the tests that should notice are run. `make mutants` writes this file.",
        "",
        "| theme | built in | noticed | explained | survived |",
        "|---|---|---|---|---|",
    ]
    for theme, some in [*judged.items(), ("all", [one for every in judged.values() for one in every])]:
        count = Counter(one.verdict for one in some)
        survived = count[Verdict.SURVIVED] + count[Verdict.BROKEN]
        lines.append(f"| {theme} | {len(some)} | {count[Verdict.NOTICED]} | {count[Verdict.EXPLAINED]} | {survived} |")
    for theme, some in judged.items():
        lines += ["", f"## {theme}", "", "| fault | promise that it breaks | verdict |", "|---|---|---|"]
        for one in some:
            by = one.by if one.verdict in _GOOD else ""
            # No parameters: they may be as long as a body.
            lines.append(f"| {one.mutant.name} | {one.mutant.promise} | {one.verdict.value}: {by.partition('[')[0]} |".replace(": |", " |"))
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--share", help="Only the I-th of N parts: I/N, I from 0.")
@click.option("--only", multiple=True, help="Only faults whose name or theme is this; may be repeated.")
@click.option("--jobs", type=int, default=os.cpu_count() or 1, show_default=True, help="Copies at once.")
@click.option("--unchecked", is_flag=True, help="Don't run the tests on the unchanged tree first.")
def main(share: str | None, only: tuple[str, ...], jobs: int, unchecked: bool) -> None:
    """Build in faults one at a time, and see whether the tests notice."""
    themes = load()
    some = [one for theme, mutants in themes.items() for one in mutants if not only or theme in only or one.name in only]
    chosen = share_of(some, share) if share else some
    if not chosen:
        raise click.UsageError("no fault of the list has that name")
    if not unchecked and (said := fails_without(chosen)):
        click.echo(said[-3000:])
        raise click.ClickException("what should notice fails on the unchanged tree already")
    verdicts: dict[str, Judged] = {}
    for one in judge(chosen, jobs=jobs):
        verdicts[one.mutant.name] = one
        click.echo(f"{one.verdict.value:10} {one.mutant.name}: {one.mutant.promise} · {one.by if one.verdict in _GOOD else ''}")
    bad = [one for one in verdicts.values() if one.verdict not in _GOOD]
    for one in bad:
        click.echo(f"\n{one.verdict.value}: {one.mutant.name}: {one.mutant.promise}\n{one.by}")
    if len(verdicts) == sum(map(len, themes.values())):
        TABLE.write_text(table({theme: [verdicts[one.name] for one in mutants] for theme, mutants in themes.items()}), encoding="utf-8")
    click.echo(f"\n{len(verdicts)} built in, {len(bad)} of them not noticed")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
