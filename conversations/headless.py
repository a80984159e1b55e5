"""One task in a process of its own, with or without a server or a Redis running.

The process is a worker for one conversation, which is reserved for it: the same sweeps find its work, the same
functions do it, and where it dies a server goes on.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TypeVar

import structlog
from django.db import Error, connection, transaction

from accounts.models import User
from conversations import services, timeline
from conversations.agent.loop import passes, run
from conversations.models import Conversation, Event
from conversations.states import RESTING
from openhands_site.db import release_connection
from openhands_site.workers import leases
from openhands_site.workers.process import WorkerProcess
from sandboxes import provisioning
from sandboxes import services as sandboxes
from sandboxes.models import Sandbox

POLL_SECONDS = 0.05
T = TypeVar("T")
log = structlog.get_logger(__name__)


class HeadlessTask:
    """`run` does the task and yields its events; `stop` may be called from a signal handler."""

    def __init__(
        self,
        *,
        owner: User,
        text: str,
        model: str = "",
        image: str = "",
        max_budget: Decimal | None = None,
    ) -> None:
        self.owner = owner
        with transaction.atomic():
            self.worker = WorkerProcess("run_task")
            self.conversation_id = services.start_conversation(
                owner=owner,
                text=text,
                model=model,
                image=image,
                max_budget=max_budget,
                reserved_for=self.worker.id,
            ).pk
        self._is_stop_wanted = threading.Event()
        self._failures: list[Exception] = []

    def run(self) -> Iterator[Event]:
        """Yields the events in order until the agent rests."""
        self.worker.start()
        with self._working():
            cursor = 0
            while True:
                at_rest, events = self._look(cursor)
                for event in events:
                    cursor = event.sequence
                    yield event
                if at_rest:
                    return
                if self._failures:
                    raise self._failures[0]
                time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        self._is_stop_wanted.set()

    def is_at_rest(self) -> bool:
        conversation = self._conversation()
        return (
            conversation.agent_state in RESTING
            and conversation.due_since is None
            and conversation.lease_worker_id is None
        )

    def end(self, *, keep_sandbox: bool) -> None:
        """Removes the sandbox, unless it is to be kept, and gives the reservation back."""
        if not keep_sandbox:
            _until_done(self._remove_sandbox)
        _until_done(self.worker.end)

    def final_state(self) -> str:
        """The agent's, once it rests."""
        return _until_done(lambda: str(self._conversation().agent_state))

    def _conversation(self) -> Conversation:
        return Conversation.objects.get(pk=self.conversation_id)

    def _look(self, cursor: int) -> tuple[bool, list[Event]]:
        """Whether the agent rests, and then what the log holds beyond `cursor`; a stop that is wanted is ordered first. With
        the database away all of it is left to the next look."""
        try:
            if self._is_stop_wanted.is_set():
                self._order_stop()
                self._is_stop_wanted.clear()
            return self.is_at_rest(), timeline.after(self.conversation_id, cursor)
        except Error as error:
            _survive(error)
            return False, []
        finally:
            release_connection()

    def _remove_sandbox(self) -> None:
        sandbox = Sandbox.objects.filter(conversations=self.conversation_id).first()
        if sandbox:
            sandboxes.request_removal(sandbox_id=sandbox.pk)
            provisioning.bring(sandbox.pk, self.worker.id)

    def _order_stop(self) -> None:
        services.give_order(conversation_id=self.conversation_id, by=self.owner, order="stop")

    @contextmanager
    def _working(self) -> Iterator[None]:
        ended = threading.Event()
        rounds = [
            threading.Thread(target=_repeat, args=(work, ended, self._failures), daemon=True)
            for work in (self._serve_sandbox, self._serve_agent)
        ]
        for thread in rounds:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in rounds:
                thread.join(timeout=10)

    def _serve_agent(self) -> None:
        mine = Conversation.objects.filter(pk=self.conversation_id)
        if leases.due(mine, self.worker.id).exists():
            run(self.conversation_id, self.worker.id)

    def _serve_sandbox(self) -> None:
        mine = Sandbox.objects.filter(conversations=self.conversation_id)
        for sandbox in leases.due(mine, self.worker.id):
            provisioning.bring(sandbox.pk, self.worker.id)


def _repeat(work: Callable[[], None], ended: threading.Event, failures: list[Exception]) -> None:
    try:
        while not ended.wait(POLL_SECONDS):
            try:
                work()
            except Error as error:
                _survive(error)
            release_connection()
    except Exception as error:  # noqa: BLE001 - raised again where the events are read
        failures.append(error)
    finally:
        connection.close()


def _until_done(work: Callable[[], T]) -> T:
    while True:
        try:
            return work()
        except Error as error:
            _survive(error)
        time.sleep(POLL_SECONDS)


def _survive(error: Error) -> None:
    """Of a database that is away, nothing is left but to try again; raises what would only come again."""
    if not passes(error):
        raise error
    log.warning("the database failed; it is tried again", error=str(error))
    connection.close()
