"""Holding the loop at a place in it."""

from pathlib import Path

import pytest
from pytest_django import Settings

from tests.faults.points import Points


@pytest.fixture
def points(tmp_path: Path, settings: Settings) -> Points:
    settings.FAULTS_FOLDER = str(tmp_path / "faults")
    return Points(tmp_path / "faults")
