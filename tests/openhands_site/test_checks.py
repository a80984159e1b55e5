import pytest
from pytest_django import Settings

from openhands_site import checks
from openhands_site.workers.models import Installation

pytestmark = pytest.mark.django_db


def test_a_new_database_becomes_ours_once(settings: Settings) -> None:
    checks.claim_database()
    checks.claim_database()
    assert [row.name for row in Installation.objects.all()] == [settings.INSTALLATION_ID]
    assert checks.check_installation(None, ["default"]) == []


def test_the_database_of_another_installation_says_what_to_set(settings: Settings) -> None:
    Installation.objects.create(name="theirs")
    (message,) = checks.check_installation(None, ["default"])
    assert (
        message.msg
        == f"This database belongs to the installation theirs, and this is {settings.INSTALLATION_ID}."
    )
    assert message.hint
    assert "OPENHANDS_INSTALLATION_ID=theirs" in message.hint


def test_claiming_does_not_take_a_database_over(settings: Settings) -> None:
    Installation.objects.create(name="theirs")
    checks.claim_database()
    assert checks.belongs_to_another() == "theirs"


def test_a_check_that_may_not_use_the_database_does_not() -> None:
    Installation.objects.create(name="theirs")
    assert checks.check_installation(None, None) == []
