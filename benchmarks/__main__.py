"""`python -m benchmarks [name …]`: every figure, or those whose names are given, on each database that is there."""

import argparse
import importlib
import pkgutil
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

from benchmarks import measures, postgres, report
from benchmarks.bench import Bench
from benchmarks.figures import Breakdown, Figure, Measurement


def names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(measures.__path__))


def main() -> int:
    options = _options()
    modules = {
        name: importlib.import_module(f"{measures.__name__}.{name}") for name in options.names or names()
    }
    results = report.Results.begin()
    failed: list[str] = []
    with ExitStack() as stack:
        for number, database in enumerate(options.database or _databases()):
            title, bench = _bench(database, options.quick, stack)
            for name, module in modules.items():
                if number and not getattr(module, "DATABASE", True):
                    continue  # it was measured beside the first database
                try:
                    for measurement in _measure(name, module, bench):
                        results.add(title, measurement)
                except Exception:  # noqa: BLE001 - the others are measured all the same
                    traceback.print_exc()
                    failed.append(f"{name} on {title}")
    print(results.table(), file=sys.stderr)
    if options.json:
        options.json.write_text(results.to_json(indent=1) + "\n")
    print(results.to_json())
    if options.publish:
        report.publish(results.as_json())
    if failed:
        print(f"Not measured, the reason stands above: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(names())}; all without one")
    parser.add_argument(
        "--database",
        action="append",
        metavar="sqlite|postgres|URL",
        help="repeatable; `postgres` starts one for the time of the measurement; by itself both, where both are here",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes the JSON object into it, too")
    parser.add_argument(
        "--quick", action="store_true", help="a look that proves that it runs; no figures to keep"
    )
    parser.add_argument("--publish", action="store_true", help="fills docs/performance.md with the figures")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names()):
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(names())}")
    for database in options.database or ():
        if database not in ("sqlite", "postgres") and "://" not in database:
            parser.error(f"{database} is no database; say sqlite, postgres, or a PostgreSQL's URL")
    return options


def _databases() -> list[str]:
    if postgres.find_programs() is None:
        print("No PostgreSQL was found on this machine; only SQLite is measured.", file=sys.stderr)
        return ["sqlite"]
    return ["sqlite", "postgres"]


def _bench(database: str, quick: bool, stack: ExitStack) -> tuple[str, Bench]:
    """The database's name as it is told, and the bench for it."""
    if database == "sqlite":
        return "SQLite", Bench(quick=quick)
    url = stack.enter_context(postgres.cluster()) if database == "postgres" else database
    return "PostgreSQL", Bench(server_url=url.rstrip("/"), quick=quick)


def _measure(name: str, module: ModuleType, bench: Bench) -> Iterator[Measurement]:
    begun = time.monotonic()
    print(f"{name} …", file=sys.stderr, flush=True)
    for measurement in module.measure(bench):
        assert isinstance(measurement, (Figure, Breakdown))
        print(f"  {report.line(measurement.as_json())}", file=sys.stderr, flush=True)
        yield measurement
    print(f"  ({time.monotonic() - begun:.0f} s)", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
