from typing import Any

import pytest

from sandboxes.protocol import Health


@pytest.mark.parametrize(
    "said",
    [{"boot_id": "b"}, {"boot_id": "b", "version": 1, "workspace": "/workspace", "uptime_seconds": 0.0}],
)
def test_the_health_of_a_sandbox_that_another_version_started_is_understood(said: dict[str, Any]) -> None:
    assert Health.from_json(said) == Health("b")


@pytest.mark.parametrize("said", [{}, [], "boot_id", 1, None])
def test_what_is_no_health_is_an_error_that_the_client_expects(said: Any) -> None:
    with pytest.raises(TypeError):
        Health.from_json(said)
