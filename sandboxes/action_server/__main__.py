"""`python -m sandboxes.action_server`: start, serve until SIGTERM, leave no process behind."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
import uuid
from pathlib import Path

from aiohttp import web

from . import ending, log
from .actions import Actions
from .app import create_app
from .children import Children, adopt_orphans_and_hide_memory
from .files import FileEditor
from .terminal import Terminal

_MEGABYTE = 1024 * 1024


def main() -> None:
    options = _options()
    ending.prepare()
    log.prepare()
    key = _read_key(options.key_file)
    adopt_orphans_and_hide_memory()
    asyncio.run(_serve(options, key))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandboxes.action_server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one; see --announce")
    parser.add_argument("--workspace", type=Path, required=True, help="where commands start and files are")
    parser.add_argument(
        "--data", type=Path, required=True, help="our own files; outputs that commands may read"
    )
    parser.add_argument(
        "--key-file",
        required=True,
        help="holds the key and is removed once read; - is a line of standard input",
    )
    parser.add_argument(
        "--announce", type=Path, help="gets pid, port, boot_id and started_at, as JSON, once listening"
    )
    parser.add_argument("--max-body-mb", type=int, default=64, help="largest request body, in MB")
    return parser.parse_args()


def _read_key(source: str) -> str:
    """Read the key and leave nothing of it where a command could find it."""
    if source == "-":
        key = sys.stdin.readline()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
    else:
        key = Path(source).read_text(encoding="utf-8")
        try:
            os.unlink(source)
        except OSError as error:
            print(f"The key file {source} could not be removed: {error}", file=sys.stderr)  # noqa: T201
    if not key.strip():
        sys.exit("The key is empty.")
    return key.strip()


async def _serve(options: argparse.Namespace, key: str) -> None:
    boot_id = uuid.uuid4().hex
    workspace = options.workspace.resolve()
    data = options.data.resolve()
    workspace.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(data / "sessions", ignore_errors=True)  # of the boot before; its outputs stay
    children = Children()
    terminal = Terminal(children, workspace, data, os.environ, prefix=boot_id[:8])
    editor = FileEditor(workspace, readable=data / "output")
    app = create_app(
        key=key,
        boot_id=boot_id,
        actions=Actions(boot_id, {"terminal": terminal, "file_editor": editor}),
        max_body=options.max_body_mb * _MEGABYTE,
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, options.host, options.port).start()
    stop = asyncio.Event()
    ending.on_order(stop.set)
    if options.announce:
        _announce(options.announce, runner.addresses[0][1], boot_id)
    await stop.wait()
    await runner.cleanup()
    await children.end_all()
    terminal.close()


def _announce(path: Path, port: int, boot_id: str) -> None:
    """Write the file in one piece: whoever sees it sees all of it."""
    announced = {"pid": os.getpid(), "port": port, "boot_id": boot_id, "started_at": time.time()}
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(announced), encoding="utf-8")
    os.replace(unfinished, path)


if __name__ == "__main__":
    main()
