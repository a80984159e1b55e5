"""What a test marked `service("name")` needs of the machine: it is skipped where that is missing, and fails in CI."""

import os
import shutil
import subprocess
import tempfile
from functools import cache

import pytest

from openhands_site import redis_server


@cache
def is_there(service: str) -> bool:
    """Found out by trying it where being installed is not enough."""
    if service == "redis":
        return redis_server.find_server() is not None
    if service == "bwrap":
        command = ["bwrap", "--ro-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "true"]
        return (
            bool(shutil.which("bwrap"))
            and not subprocess.run(command, capture_output=True, check=False).returncode
        )
    if service == "tmpfs":
        with tempfile.TemporaryDirectory() as folder:
            mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
            if subprocess.run(mount, capture_output=True, check=False).returncode:
                return False
            subprocess.run(["umount", folder], check=True)
            return True
    if service == "namespaces":  # network namespaces of our own, and routes to them
        return os.geteuid() == 0 and shutil.which("ip") is not None
    if service == "dockerd":  # an engine of our own
        return os.geteuid() == 0 and shutil.which("ip") is not None and shutil.which("dockerd") is not None
    if service == "docker":
        return _has_docker()
    if service in {"chromium", "git", "less", "node", "top", "vi"}:
        return shutil.which(service) is not None
    raise ValueError(f"nobody knows how to find the service {service!r}; tests/services.py should")


def _has_docker() -> bool:
    """An engine that answers, and the image of sandboxes."""
    from sandboxes.backends.docker import engine, images
    from sandboxes.errors import SandboxError

    try:
        with engine.talking(engine.PROBE_SECONDS) as client:
            return not images.describe_absence(client)
    except SandboxError:
        return False


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("service"):
        if not is_there(mark.args[0]):
            if os.environ.get("CI"):
                pytest.fail(f"CI must provide {mark.args[0]}", pytrace=False)
            pytest.skip(f"needs {mark.args[0]}")
