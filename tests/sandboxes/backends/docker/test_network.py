from typing import Any

import pytest
from pytest_django import Settings

from sandboxes.backends.docker import containers, engine, firewall, images, network, uninstalling
from sandboxes.errors import SandboxError
from tests.sandboxes.engine import run


def test_the_rules_are_for_our_bridge_alone_and_name_each_blocked_network() -> None:
    lines = firewall.rules("oh-1", ["169.254.0.0/16", "fd00::/8"]).splitlines()
    assert lines[:2] == ["add table inet oh-1", "delete table inet oh-1"]
    rules = [line for line in lines if line.startswith("iifname")]
    assert all(line.startswith('iifname "oh-1" ') for line in rules)
    assert 'iifname "oh-1" ip daddr 169.254.0.0/16 reject' in rules
    assert 'iifname "oh-1" ip6 daddr fd00::/8 reject' in rules


def test_a_bridges_name_fits_the_kernel_and_is_the_installations_own(settings: Settings) -> None:
    settings.INSTALLATION_ID = "a" * 32
    first = network.bridge_name()
    settings.INSTALLATION_ID = "b" * 32
    assert first != network.bridge_name()
    assert len(first) <= 15


@pytest.mark.service("docker")
def test_a_network_of_our_name_that_is_not_ours_is_left_alone(
    docker_installation: str, settings: Settings
) -> None:
    settings.INSTALLATION_ID = f"{docker_installation}-x"
    name = containers.network_name(settings.INSTALLATION_ID)
    with engine.talking() as client:
        client.create_network(name)
        try:
            with pytest.raises(SandboxError, match="is not this installation's"):
                network.current(images.own_image())
            with pytest.raises(SandboxError, match="is not this installation's"):
                uninstalling.uninstall()
            assert client.inspect_network(name)
        finally:
            client.remove_network(name)


@pytest.mark.service("docker")
def test_rules_that_somebody_flushed_are_back_at_the_first_start_after_a_while(
    docker_installation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = images.own_image()
    assert network.set_up(image).is_closed
    flush = ["nft", f"flush table inet {network.bridge_name()}"]
    count = ["sh", "-c", f"nft list table inet {network.bridge_name()} | grep -c reject"]
    with_rights: dict[str, Any] = {"user": "0:0", "NetworkMode": "host", "CapAdd": ["NET_ADMIN"]}
    run(flush, **with_rights)
    assert network.current(image).is_closed
    assert run(count, **with_rights)[1].strip() == "0"
    monkeypatch.setattr(network, "RENEW_SECONDS", 0)
    assert network.current(image).is_closed
    assert int(run(count, **with_rights)[1]) > 3


@pytest.mark.service("docker")
def test_where_the_firewall_does_not_see_what_passes_between_sandboxes_that_is_an_opening(
    docker_installation: str,
) -> None:
    ruleset = firewall.no_rules(network.bridge_name())
    with engine.talking() as client:
        assert firewall.apply(client, images.own_image(), ruleset, "ip", "ip6") == ""
        # There is no such family, so its switch is not on.
        assert "br_netfilter" in firewall.apply(client, images.own_image(), ruleset, "ip", "ip7")


@pytest.mark.service("docker")
def test_the_network_is_set_up_anew_where_somebody_removed_it(docker_installation: str) -> None:
    image = images.own_image()
    assert network.set_up(image).is_closed
    with engine.talking() as client:
        client.remove_network(containers.network_name(docker_installation))
    assert network.current(image).is_closed
    with engine.talking() as client:
        assert client.inspect_network(containers.network_name(docker_installation))
    network.remove(image)
    network.remove(image)
