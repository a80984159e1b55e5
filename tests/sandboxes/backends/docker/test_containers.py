from uuid import UUID

import pytest

from sandboxes.backends.base import SandboxSpec
from sandboxes.backends.docker import containers

SANDBOX = UUID("0b8f7a52-6c1c-4a63-9c0e-3f6a7b9d2e10")


def described(**spec: float) -> dict[str, object]:
    made = containers.container(
        installation="ours",
        sandbox_id=SANDBOX,
        image="an-image",
        spec=SandboxSpec(**spec),  # type: ignore[arg-type]
    )
    host: dict[str, object] = made["HostConfig"]
    return host


def test_a_container_has_no_rights() -> None:
    host = described()
    assert host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["ReadonlyRootfs"] is True
    assert not {"CapAdd", "Binds", "Devices", "PidMode", "UsernsMode"} & host.keys()


def test_its_user_is_not_root_and_its_image_decides_nothing_of_what_runs() -> None:
    made = containers.container(installation="ours", sandbox_id=SANDBOX, image="an-image", spec=SandboxSpec())
    assert made["User"] == "1000:1000"
    assert made["Entrypoint"] == []
    assert made["Healthcheck"] == {"Test": ["NONE"]}


def test_its_port_is_published_on_the_loopback_alone() -> None:
    assert described()["PortBindings"] == {"47100/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}


def test_its_folders_are_labelled_volumes_and_nothing_of_this_machine_is_mounted() -> None:
    mounts = described()["Mounts"]
    assert isinstance(mounts, list)
    assert [(mount["Type"], mount["Target"]) for mount in mounts] == [
        ("volume", "/workspace"),
        ("volume", "/opt/openhands/data"),
    ]
    for mount in mounts:
        assert mount["Source"].startswith(f"openhands-ours-{SANDBOX}-")
        assert mount["VolumeOptions"]["DriverConfig"] == {"Name": "local", "Options": {}}
        assert mount["VolumeOptions"]["Labels"] == {
            "openhands.installation": "ours",
            "openhands.sandbox": str(SANDBOX),
        }


def test_limits_are_passed_on_without_swap_and_a_share_of_memory_is_for_temporary_files() -> None:
    host = described(memory_mb=512, cpus=1.5, processes=100)
    assert (host["Memory"], host["MemorySwap"]) == (512 * 2**20, 512 * 2**20)
    assert host["NanoCpus"] == 1_500_000_000
    assert host["PidsLimit"] == 100
    tmpfs = host["Tmpfs"]
    assert isinstance(tmpfs, dict)
    assert tmpfs["/tmp"] == "rw,exec,nosuid,nodev,mode=1777,size=256m"


def test_volumes_have_a_size_where_there_is_a_limit() -> None:
    mounts = described(disk_mb=2)["Mounts"]
    assert isinstance(mounts, list)
    assert [mount["VolumeOptions"]["DriverConfig"]["Options"] for mount in mounts] == [
        {"size": "2000000"},
        {"size": "2000000"},
    ]


def test_without_limits_there_are_none() -> None:
    host = described()
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (0, 0, None)


@pytest.mark.parametrize(
    ("information", "kept", "cpus"),
    [
        ({"MemoryLimit": True, "CpuCfsQuota": True, "PidsLimit": True}, ["memory", "cpu", "processes"], 2),
        ({"MemoryLimit": True, "CpuCfsQuota": False, "PidsLimit": False}, ["memory"], 0),
        ({}, [], 0),
    ],
)
def test_only_limits_that_the_engine_keeps_are_asked_for_and_no_more_processors_than_there_are(
    information: dict[str, bool], kept: list[str], cpus: float
) -> None:
    spec = SandboxSpec(memory_mb=1, cpus=3, processes=1, image="python:3")
    possible = containers.possible(spec, {"NCPU": 2, **information})
    assert containers.limited(possible) == kept
    assert (possible.cpus, possible.image) == (cpus, "python:3")
    assert containers.limited(SandboxSpec()) == []


def test_a_port_is_only_published_while_the_container_runs() -> None:
    assert containers.published_port({"NetworkSettings": {"Ports": {}}}) is None
    ports = {"47100/tcp": [{"HostIp": "127.0.0.1", "HostPort": "49153"}]}
    assert containers.published_port({"NetworkSettings": {"Ports": ports}}) == 49153
