"""`make bench`: every figure, or those whose names are given (`python -m benchmarks terminal`)."""

import sys

from benchmarks import docker, steps, terminal
from benchmarks.figures import tell

MEASURES = {"terminal": terminal.measure, "steps": steps.measure, "docker": docker.measure}


def main(names: list[str]) -> int:
    unknown = set(names) - set(MEASURES)
    if unknown:
        print(
            f"There is no benchmark {', '.join(unknown)}; there are: {', '.join(MEASURES)}.", file=sys.stderr
        )
        return 2
    tell([figure for name in names or MEASURES for figure in MEASURES[name]()])
    return 0


sys.exit(main(sys.argv[1:]))
