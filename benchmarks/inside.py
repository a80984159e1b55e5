"""What has to be done inside the product, with its own code, while its server runs: `python -m benchmarks.inside
ORDER …` in the server's environment. The last line of its output is the answer, as JSON."""

import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from accounts.services import create_api_key, ensure_administrator  # noqa: E402
from conversations import timeline  # noqa: E402
from conversations.events import Action, Message, Observation, TextPart  # noqa: E402
from conversations.models import Conversation, LLMCall  # noqa: E402
from conversations.timeline import Draft  # noqa: E402

BATCH = 300
TEXT = "I have looked at the test that fails and found that the parser drops the last line. " * 3
SERIES = {
    "sqlite": "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < %s) SELECT n FROM s) s",
    "postgresql": "(SELECT generate_series(1, %s) AS n) s",
}
NEW_ID = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "gen_random_uuid()"}


def key() -> str:
    """An API key of the administrator's."""
    return create_api_key(user=ensure_administrator(), name="benchmarks")[1]


def session() -> dict[str, str]:
    """The cookie of the administrator, signed in."""
    administrator, store = ensure_administrator(), SessionStore()
    store[SESSION_KEY] = str(administrator.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = administrator.get_session_auth_hash()
    store.save()
    return {settings.SESSION_COOKIE_NAME: str(store.session_key)}


def conversations(count: str) -> list[str]:
    """So many that rest, without a sandbox and with nothing said."""
    owner = ensure_administrator()
    made = [
        Conversation(owner=owner, title=f"Task {n}", model="openai/none", max_steps=1, agent_state="finished")
        for n in range(int(count))
    ]
    Conversation.objects.bulk_create(made, batch_size=500)
    return [str(each.pk) for each in made]


def events(conversation_id: str, count: str) -> int:
    """As many events as a task leaves: what the agent says, does and sees, with the calls that they cost."""
    written = len(timeline.append(UUID(conversation_id), Draft(Message(text=TEXT), "user")))
    while written < int(count):
        drafts: list[Draft] = []
        calls = [_call(conversation_id) for _ in range(BATCH // 2)]
        LLMCall.objects.bulk_create(calls)
        for number, call in enumerate(calls):
            command = {"command": f"grep -rn 'def parse_{number}' src | head -n 20"}
            action = Draft(
                Action(call_id=call.pk, index=0, tool_call_id="c", tool="terminal", arguments=command),
                "agent",
            )
            seen = Observation(
                action_id=action.id, outcome="ok", content=[TextPart(text=TEXT)], meta={"exit_code": 0}
            )
            drafts += [action, Draft(seen, "sandbox")]
        written += len(timeline.append(UUID(conversation_id), *drafts[: int(count) - written]))
    _analyse()
    return written


def _analyse() -> None:
    """What PostgreSQL does by itself within a minute; before it, its plans are made for a table of a few rows."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _call(conversation_id: str) -> LLMCall:
    return LLMCall(
        conversation_id=UUID(conversation_id),
        fence=1,
        model="openai/none",
        route="openai/none",
        status=LLMCall.Status.DONE,
        attempts=1,
        prompt_tokens=5000,
        completion_tokens=50,
        cost=Decimal("0.0125"),
    )


def fill(count: str, events_each: str) -> None:
    """So many conversations more with so many events each; the database makes the rows itself. Those that are there
    without an event get theirs, too."""
    conversations(count)
    each = int(events_each)
    payload = json.dumps({"v": 1, "text": TEXT})
    vendor = connection.vendor
    series, new_id = SERIES[vendor], NEW_ID[vendor]
    as_json = "%s::jsonb" if vendor == "postgresql" else "%s"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO conversations_event (id, conversation_id, sequence, kind, source, payload, created_at) "
            f"SELECT {new_id}, c.id, s.n, 'message', 'agent', {as_json}, c.updated_at "
            f"FROM conversations_conversation c, {series} WHERE c.last_sequence = 0",
            [payload, each],
        )
        cursor.execute(
            "UPDATE conversations_conversation SET last_sequence = %s WHERE last_sequence = 0", [each]
        )
    _analyse()


def append(count: str, interval: str, *conversation_ids: str) -> list[tuple[str, int, float]]:
    """Appends to the conversations in turn, an event each `interval` seconds, as a worker does. Of each: its
    conversation, its sequence, and when it was committed."""
    told: list[tuple[str, int, float]] = []
    begun = time.monotonic()
    for number in range(int(count)):
        time.sleep(max(0.0, begun + number * float(interval) - time.monotonic()))
        conversation_id = conversation_ids[number % len(conversation_ids)]
        committed: list[float] = []
        with transaction.atomic():
            # The first to be called after the commit, before anybody is told.
            transaction.on_commit(lambda: committed.append(time.time()))  # noqa: B023 - called at once
            written = timeline.append(UUID(conversation_id), Draft(Message(text=TEXT), "agent"))
        told.append((conversation_id, written[0].sequence, committed[0]))
    time.sleep(0.5)  # the last hint is on its way
    return told


def docker_starts(runs: str) -> object:
    """As `benchmarks.docker_starts` says; Docker's SDK is loaded for it alone."""
    from benchmarks import docker_starts as starts

    return starts.measure(int(runs))


ORDERS: dict[str, Callable[..., Any]] = {
    order.__name__: order for order in (key, session, conversations, events, fill, append, docker_starts)
}

if __name__ == "__main__":
    print(json.dumps(ORDERS[sys.argv[1]](*sys.argv[2:])))
