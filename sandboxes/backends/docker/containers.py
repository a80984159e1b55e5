"""What a sandbox's container is called and what it may do: pure functions that speak the engine's own JSON."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from sandboxes.backends.base import SandboxSpec

INSTALLATION = "openhands.installation"
SANDBOX = "openhands.sandbox"
PORT = 47100  # where the action server listens, out of the way of what users start
USER = "1000:1000"
WORKSPACE = "/workspace"
ROOT = "/opt/openhands"
INSTALL = f"{ROOT}/install"
DATA = f"{ROOT}/data"
_SERVER = (f"{ROOT}/venv/bin/python", "-I", "-m", "sandboxes.action_server")
_FOLDERS = {"workspace": WORKSPACE, "data": DATA}
_UNLIMITED_TMP_MB = 1024


def container_name(installation: str, sandbox_id: UUID) -> str:
    return f"openhands-{installation}-{sandbox_id}"


def network_name(installation: str) -> str:
    return f"openhands-{installation}"


def volume_names(installation: str, sandbox_id: UUID) -> list[str]:
    """The sandbox's folders, each a volume that outlives its containers."""
    return [f"{container_name(installation, sandbox_id)}-{folder}" for folder in _FOLDERS]


def labels(installation: str, sandbox_id: UUID) -> dict[str, str]:
    return {INSTALLATION: installation, SANDBOX: str(sandbox_id)}


def published_port(inspected: dict[str, Any]) -> int | None:
    """The port of this machine's loopback that leads to the action server, while the container runs."""
    published = (inspected["NetworkSettings"]["Ports"] or {}).get(f"{PORT}/tcp")
    return int(published[0]["HostPort"]) if published else None


def container(*, installation: str, sandbox_id: UUID, image: str, spec: SandboxSpec) -> dict[str, Any]:
    """The body of the engine's "create a container".

    The action server reads its key from standard input, so it stands in no environment, file or argument.
    """
    marks = labels(installation, sandbox_id)
    size = {"size": str(spec.disk_mb * 1_000_000)} if spec.disk_mb else {}
    return {
        "Image": image,
        "Entrypoint": [],
        "Cmd": [
            *_SERVER,
            *("--host", "0.0.0.0", "--port", str(PORT)),  # noqa: S104 - of the container's own network
            *("--workspace", WORKSPACE, "--data", DATA, "--key-file", "-"),
        ],
        "Env": [f"{name}={value}" for name, value in environment(sandbox_id).items()],
        "User": USER,
        "WorkingDir": WORKSPACE,
        "Hostname": "sandbox",
        "Labels": marks,
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        "Tty": False,
        "OpenStdin": True,
        "StdinOnce": True,
        "ExposedPorts": {f"{PORT}/tcp": {}},
        "HostConfig": {
            "NetworkMode": network_name(installation),
            "PortBindings": {f"{PORT}/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
            "Mounts": [
                {
                    "Type": "volume",
                    "Source": volume,
                    "Target": folder,
                    "VolumeOptions": {"Labels": marks, "DriverConfig": {"Name": "local", "Options": size}},
                }
                for volume, folder in zip(
                    volume_names(installation, sandbox_id), _FOLDERS.values(), strict=True
                )
            ],
            "RestartPolicy": {"Name": "no"},
            **_isolation(spec),
            **_limits(spec),
        },
    }


def installer(*, image: str, labels: dict[str, str], spec: SandboxSpec) -> dict[str, Any]:
    """Of the container in which a user's image gets the action server. It may write all that is the image's."""
    return {
        "Image": image,
        "Entrypoint": [],
        "Cmd": ["/bin/sh", INSTALL],
        "User": "0:0",
        "WorkingDir": "/",
        "Labels": labels,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": "none",
            "CapDrop": ["ALL"],
            "CapAdd": ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
            "SecurityOpt": ["no-new-privileges"],
            **_limits(spec),
        },
    }


def environment(sandbox_id: UUID) -> dict[str, str]:
    """What we add to the image's own environment; nothing is taken over from ours."""
    return {
        "SANDBOX_ID": str(sandbox_id),
        "HOME": WORKSPACE,
        "LANG": "C.UTF-8",
        "LOGNAME": "sandbox",
        "SHELL": "/bin/bash",
        "USER": "sandbox",
    }


def possible(spec: SandboxSpec, information: dict[str, Any]) -> SandboxSpec:
    """Of the limits that the spec asks for those that this engine keeps: of some of the others it makes an error."""
    return replace(
        spec,
        memory_mb=spec.memory_mb if information.get("MemoryLimit") else 0,
        cpus=min(spec.cpus, information["NCPU"]) if information.get("CpuCfsQuota") else 0,
        processes=spec.processes if information.get("PidsLimit") else 0,
    )


def limited(spec: SandboxSpec) -> list[str]:
    limits = {"memory": spec.memory_mb, "cpu": spec.cpus, "processes": spec.processes}
    return [name for name, limit in limits.items() if limit]


def _isolation(spec: SandboxSpec) -> dict[str, Any]:
    """Nothing can be written but volumes and what is in memory, so the size of these is the sandbox's size."""
    temporary = spec.memory_mb // 2 or _UNLIMITED_TMP_MB
    options = "rw,exec,nosuid,nodev,mode=1777"
    return {
        "Privileged": False,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": f"{options},size={temporary}m", "/var/tmp": f"{options},size=64m"},  # noqa: S108
        "IpcMode": "private",
    }


def _limits(spec: SandboxSpec) -> dict[str, Any]:
    """No swap beside the memory, and the newest of what it prints. Zero is the engine's word for "no limit", too."""
    memory = spec.memory_mb * 2**20
    return {
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": round(spec.cpus * 1e9),
        "PidsLimit": spec.processes or None,
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
    }
