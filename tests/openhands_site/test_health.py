import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from openhands_site import health


def test_a_process_that_answers_is_alive() -> None:
    assert Client().get("/alive").json() == {"alive": True}


@pytest.mark.django_db
def test_without_redis_it_is_ready_and_says_so(settings: Settings) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    response = Client().get("/ready")
    assert response.status_code == 200
    assert response.json() == {"ready": True, "database": "ok", "redis": "unreachable"}


@pytest.mark.django_db
def test_a_database_that_is_behind_the_code_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connection

    monkeypatch.setattr(health, "_is_migrated", False)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'conversations'")
    response = Client().get("/ready")
    assert response.status_code == 503
    assert response.json()["database"] == "not migrated"


@pytest.mark.django_db
def test_nobody_may_write_there() -> None:
    assert Client().post("/ready").status_code == 405


@pytest.mark.django_db
def test_nobody_is_looked_up_for_it(owner: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """A browser's page asks too, and wants to know whether the server is there though its database is not."""
    client = Client()
    client.force_login(owner)
    with django_assert_num_queries(0):
        assert client.get("/alive").status_code == 200
