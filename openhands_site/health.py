"""Whether this process lives, and whether it can serve: for load balancers, and for `up`."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from openhands_site import redis_client

_is_migrated = False  # once true it stays true: code and migrations change together


def pending_migrations() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def applied_migrations() -> int:
    return len(MigrationRecorder(connection).applied_migrations())


def database_state() -> str:
    global _is_migrated  # noqa: PLW0603
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        _is_migrated = _is_migrated or not pending_migrations()
    except DatabaseError:
        return "unreachable"
    return "ok" if _is_migrated else "not migrated"


def redis_state() -> str:
    try:
        with redis_client.connect() as client:
            client.ping()
    except RedisError:
        return "unreachable"
    return "ok"


@never_cache
@require_safe
def alive(_request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers at all."""
    return JsonResponse({"alive": True})


@never_cache
@require_safe
def ready(_request: HttpRequest) -> JsonResponse:
    """503 without a migrated database. Redis is told but not required: without it things are slower, not broken."""
    database = database_state()
    is_ready = database == "ok"
    body = {"ready": is_ready, "database": database, "redis": redis_state()}
    return JsonResponse(body, status=200 if is_ready else 503)
