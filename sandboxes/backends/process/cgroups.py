"""Limits on a process sandbox's memory, CPU and number of processes, by cgroup v1 or v2, where we may make groups.

As root on a machine or in a privileged container we may; elsewhere nothing is limited, and nothing claims to be.
A program puts itself into the groups before it becomes the sandbox, so nothing it starts is ever outside.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from django.conf import settings

from sandboxes.backends.base import SandboxSpec

PERIOD = 100_000  # microseconds, in which a sandbox may use `cpus` times as many
_CONTROLLERS = {"memory": "memory", "cpu": "cpu", "processes": "pids"}
_ENTER = 'for group in $GROUPS_TO_ENTER; do echo $$ > "$group/cgroup.procs" || exit 125; done; unset GROUPS_TO_ENTER; exec "$@"'


@dataclass(frozen=True)
class Group:
    """The folder of one sandbox's group for one limit (v1), or for all (v2), and the values to write into it."""

    folder: Path
    values: Mapping[str, str]


def available() -> tuple[str, ...]:
    """Which of memory, cpu and processes can be limited here, found out by making groups."""
    probe = SandboxSpec(memory_mb=64, cpus=1, processes=64)
    name = f"probe-{uuid4().hex}"  # several threads may find it out at once
    found = []
    for limit in _CONTROLLERS:
        with suppress(OSError):
            remove(make(name, probe, (limit,)))
            found.append(limit)
    return tuple(found)


def make(name: str, spec: SandboxSpec, limits: Sequence[str]) -> list[str]:
    """The folders of the sandbox's groups, for those `limits` that `spec` asks for.

    They are to be kept with the sandbox: from another process's own groups they could not be found again.
    Raises OSError where one cannot be made.
    """
    folders = []
    for limit in limits:
        if not _values(limit, spec):
            continue
        group = _group(limit, name, spec)
        _enable(group.folder, _CONTROLLERS[limit])
        group.folder.mkdir(exist_ok=True)
        for file, value in group.values.items():
            (group.folder / file).write_text(value)
        folders.append(str(group.folder))
    return list(dict.fromkeys(folders))


def entering(folders: Sequence[str], command: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The command line that enters the groups and becomes `command`, and what it needs in its environment."""
    if not folders:
        return list(command), {}
    return ["/bin/sh", "-c", _ENTER, "sh", *command], {"GROUPS_TO_ENTER": " ".join(folders)}


def remove(folders: Sequence[str]) -> None:
    """Removes groups, once nothing runs in them."""
    for folder in folders:
        with suppress(OSError):
            Path(folder).rmdir()


def applied(spec: SandboxSpec, limits: Sequence[str]) -> list[str]:
    return [limit for limit in limits if _values(limit, spec)]


def _values(limit: str, spec: SandboxSpec) -> int:
    return round({"memory": spec.memory_mb, "cpu": spec.cpus * 100, "processes": spec.processes}[limit])


def _group(limit: str, name: str, spec: SandboxSpec) -> Group:
    ours = f"openhands-{settings.INSTALLATION_ID}"
    memory, quota = str(spec.memory_mb * 2**20), str(round(spec.cpus * PERIOD))
    base = _v1_folder(_CONTROLLERS[limit])
    if base is not None:
        values = {
            "memory": {"memory.limit_in_bytes": memory},
            "cpu": {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": quota},
            "processes": {"pids.max": str(spec.processes)},
        }
        return Group(base / ours / name, values[limit])
    values = {
        "memory": {"memory.max": memory},
        "cpu": {"cpu.max": f"{quota} {PERIOD}"},
        "processes": {"pids.max": str(spec.processes)},
    }
    return Group(Path("/sys/fs/cgroup") / ours / name, values[limit])


def _enable(folder: Path, controller: str) -> None:
    """Makes the installation's group above `folder`; under v2 it must pass the controller on, as must the root."""
    ours, root = folder.parent, folder.parent.parent
    is_v2 = _v1_folder(controller) is None
    if is_v2 and controller not in (root / "cgroup.controllers").read_text().split():
        raise OSError(f"The kernel offers no controller {controller} here.")
    ours.mkdir(exist_ok=True)
    for above in (root, ours) if is_v2 else ():
        (above / "cgroup.subtree_control").write_text(f"+{controller}")


def _v1_folder(controller: str) -> Path | None:
    """Our own group of this controller, below which ours go so that what limits us limits them; None under v2."""
    own = _own_path(controller)
    for root, mount, kind, options in _mounts():
        if own is not None and kind == "cgroup" and controller in options.split(","):
            inside = own.removeprefix(root) if root != "/" else own
            return Path(mount) / inside.lstrip("/")
    return None


def _own_path(controller: str) -> str | None:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return None


def _mounts() -> Iterator[tuple[str, str, str, str]]:
    """Each mount's root, place, kind and options."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _device, options = after.split(" ", 2)
        fields = before.split(" ")
        yield fields[3], fields[4], kind, options
