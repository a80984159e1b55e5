import pytest
from pytest_django import Settings

from sandboxes.backends.docker import containers, engine, images, network, uninstalling
from sandboxes.errors import SandboxError


def test_the_rules_are_for_our_bridge_alone_and_name_each_blocked_network() -> None:
    lines = network.rules("oh-1", ["169.254.0.0/16", "fd00::/8"]).splitlines()
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
