"""Appends to conversations as agents do: a few events at a time, deltas in between, and bursts. A program of its own.

`python -m tests.faults.event_writer '{"conversations": [ids], "seconds": 60, "seed": 1}'`, with the product's
settings and variables. Its last line is JSON: of each conversation the last sequence, and the digest of its ids.
"""

import hashlib
import json
import os
import random
import sys
import time
from uuid import UUID

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "openhands_site.settings")

EVENTS_A_SECOND = 10  # of all conversations together
BURST_EVERY = 10.0  # seconds
BURST = (200, 700)
LONG_TEXTS = (20_000, 90_000)  # the second is a blob


def write(conversations: list[UUID], seconds: float, chance: random.Random) -> None:
    from conversations import timeline
    from conversations.events import Message
    from conversations.timeline import Draft

    def append(conversation_id: UUID, count: int) -> None:
        texts = (f"{chance.random()} ".ljust(length(), ".") for _ in range(count))
        timeline.append(conversation_id, *(Draft(Message(text=text), "agent") for text in texts))

    def length() -> int:
        return chance.choice(LONG_TEXTS) if chance.random() < 0.005 else chance.randrange(20, 600)

    ends, burst = time.monotonic() + seconds, time.monotonic() + BURST_EVERY
    while time.monotonic() < ends:
        conversation_id = chance.choice(conversations)
        stream(conversation_id, chance.randrange(5))
        append(conversation_id, chance.choice((1, 1, 2, 3)))
        if time.monotonic() > burst:
            burst += BURST_EVERY
            append(chance.choice(conversations), chance.randrange(*BURST))
        time.sleep(chance.uniform(0.5, 1.5) * 1.75 / EVENTS_A_SECOND)


def stream(conversation_id: UUID, pieces: int) -> None:
    """What no row holds: parts of a reply on their way."""
    from openhands_site import hints, redis_client

    for index in range(pieces):
        delta = {"call_id": "c", "attempt": 1, "channel": "text", "index": 0, "offset": index, "text": "…"}
        hints.publish(redis_client.events_channel(conversation_id), json.dumps({"delta": delta}))


def logs(conversations: list[UUID]) -> dict[str, tuple[int, str]]:
    from conversations.models import Event

    found = {}
    for conversation_id in conversations:
        rows = Event.objects.filter(conversation_id=conversation_id).order_by("sequence")
        digest, last = hashlib.sha256(), 0
        for last, pk in rows.values_list("sequence", "id"):  # noqa: B007 - the last one is wanted
            digest.update(str(pk).encode())
        found[str(conversation_id)] = (last, digest.hexdigest())
    return found


def main() -> None:
    import django

    django.setup()
    wanted = json.loads(sys.argv[1])
    conversations = [UUID(text) for text in wanted["conversations"]]
    write(conversations, wanted["seconds"], random.Random(f"{wanted['seed']} writer"))
    print(json.dumps(logs(conversations)))


if __name__ == "__main__":
    main()
