from tests.sandboxes.conftest import docker_installation, docker_session, home

__all__ = ["docker_installation", "docker_session", "home"]
