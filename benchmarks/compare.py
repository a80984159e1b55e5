"""This tree and BASE side by side: `python -m benchmarks.compare BASE [name …]`, or `make bench-compare BASE=<commit>`.

BASE's product is checked out in a temporary folder and given this harness, so that both are measured in the same way.
The two are measured by turns, for a machine changes with the hour; what counts are the ratios of their medians.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.report import number

USUAL = ("steps", "delivery", "replay", "throughput", "first_call")
# What a checkout does not hold and this one has built; taken along where it was built from the same.
BUILT = {
    ".venv": "requirements/development.txt",
    "node_modules": "package-lock.json",
    "static/dist": "static",
    "staticfiles": "static",
}
Values = dict[str, list[float]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("base", help="the commit to compare with")
    parser.add_argument("names", nargs="*", default=USUAL, help=f"which figures; {', '.join(USUAL)} without")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    arguments = [*options.names, "--database", options.database, *(["--quick"] if options.quick else [])]
    with checkout(options.base) as base:
        before: Values = {}
        after: Values = {}
        for number_of_round in range(options.rounds):
            # Who goes first changes, too.
            sides = ((base, before), (ROOT, after))
            for folder, values in sides if number_of_round % 2 == 0 else reversed(sides):
                for name, value in _measure(folder, arguments).items():
                    values.setdefault(name, []).append(value)
    print(f"\n{'figure':<76}{options.base[:12]:>12}{'here':>12}{'ratio':>9}")
    for name, old, new, ratio in ratios(before, after):
        print(f"{name:<76}{number(old):>12}{number(new):>12}{ratio:>9.2f}")
    return 0


def ratios(before: Values, after: Values) -> Iterator[tuple[str, float, float, float]]:
    """Of each figure that both have: its name, the medians of both over the rounds, and new by old. Pure."""
    for name in before:
        if name in after:
            old, new = statistics.median(before[name]), statistics.median(after[name])
            if old:
                yield name, old, new, new / old


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """The commit's product with this harness, ready to run."""
    with tempfile.TemporaryDirectory(prefix="bench-base-") as folder:
        base = Path(folder) / "base"
        _git("worktree", "add", "--quiet", "--detach", str(base), commit)
        try:
            shutil.rmtree(base / "benchmarks", ignore_errors=True)
            shutil.copytree(ROOT / "benchmarks", base / "benchmarks")
            for built, source in BUILT.items():
                if _is_same(source, base) and (ROOT / built).exists() and not (base / built).exists():
                    (base / built).parent.mkdir(parents=True, exist_ok=True)
                    (base / built).symlink_to((ROOT / built).resolve())
            steps = [sys.executable, "-I", "openhands_site/bootstrap.py", "development", "assets"]
            subprocess.run(steps, cwd=base, check=True, stdout=sys.stderr)
            yield base
        finally:
            _git("worktree", "remove", "--force", str(base))


def _is_same(source: str, base: Path) -> bool:
    differs = subprocess.run(
        ["git", "-C", str(base), "diff", "--quiet", _git("rev-parse", "HEAD"), "--", source], check=False
    )
    return differs.returncode == 0


def _measure(folder: Path, arguments: Sequence[str]) -> dict[str, float]:
    print(f"— {folder}", file=sys.stderr)
    done = subprocess.run(
        [folder / ".venv" / "bin" / "python", "-m", "benchmarks", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ""},
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {
        row["name"]: row["value"]
        for rows in results["databases"].values()
        for row in rows
        if "parts" not in row
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
