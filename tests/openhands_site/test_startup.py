from pathlib import Path

from pytest_django import Settings

from openhands_site import startup


def test_a_start_without_the_front_end_says_what_to_run(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    assert "`make build`" in startup.missing_assets()
    (tmp_path / "staticfiles.json").write_text("{}")
    assert startup.missing_assets() == ""
