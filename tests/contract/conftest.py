from tests.sandboxes.conftest import docker, home

__all__ = ["docker", "home"]
