"""Connections to Redis, with the timeouts that keep a frozen server from holding us up."""

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry


def connect() -> redis.Redis:
    """A client whose calls fail after 1 s at the latest; it does not retry by itself."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=1,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        max_connections=16,
    )


def subscribe_client() -> redis.Redis:
    """For one long subscription in a thread: reads wait without end, connecting does not."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=None, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )


def connect_async() -> redis.asyncio.Redis:
    """The same for an event loop."""
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL, socket_timeout=None, socket_connect_timeout=1, retry=AsyncRetry(NoBackoff(), 0)
    )


def events_channel(conversation_id: object) -> str:
    """Where "the log is at N" and the pieces of a reply are told."""
    return f"{settings.REDIS_PREFIX}events:{conversation_id}"


def orders_channel() -> str:
    """Where the id of a conversation is told that was given an order."""
    return f"{settings.REDIS_PREFIX}orders"


def access_channel() -> str:
    """Where the id of a user is told whose access to something may have ended: a key revoked, a session over."""
    return f"{settings.REDIS_PREFIX}access"
