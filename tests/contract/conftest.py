from tests.sandboxes.conftest import home

__all__ = ["home"]
