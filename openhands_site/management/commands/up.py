"""Everything on one machine: web, workers and Redis under one supervisor, until Ctrl-C."""

import http.client
import json
import os
import shlex
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import structlog
from django.conf import settings
from django.core.management import BaseCommand
from django.db import connections

from accounts import services
from accounts.errors import AccountError
from openhands_site import startup
from openhands_site.supervisor import Program, Supervisor
from openhands_site.survivors import Register
from sandboxes import choice, reconcile
from sandboxes.errors import SandboxError
from sandboxes.runtime_api import client as runtime_api

READY_SECONDS = 120
PYTHON = [sys.executable, "-P", "-m"]
log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Starts the web server, the workers and, without REDIS_URL, a private Redis; restarts what dies."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.ending = Ending()
        os.umask(0o077)  # what we write is for us alone; sandboxes get what they need by name
        home = settings.OPENHANDS_HOME
        with startup.lock_home(home):
            register = Register(home / "up.processes")
            for pid in register.end_survivors():
                log.warning("a process of the last start was left and has been ended", pid=pid)
            startup.check_port(settings.HOST, settings.PORT)
            self.say(f"Data folder: {home}")
            if due := startup.prepare_database():
                self.say(f"The database is up to date; {due} migrations were applied.")
            supervisor = Supervisor(environment(), register, self.show)
            try:
                self.run_all(supervisor)
            finally:
                self.end_all(supervisor)

    def run_all(self, supervisor: Supervisor) -> None:
        if settings.REDIS_IS_PRIVATE:
            supervisor.start(Program("redis", startup.redis_command(settings.REDIS_SOCKET)))
            startup.await_redis(lambda: f"It said: {supervisor.last_lines('redis')}")
        else:
            startup.await_redis(str)
        supervisor.start(Program("web", [*PYTHON, "openhands_site.web"]))
        self.prepare_sandboxes()
        reconcile.adopt()
        for name in settings.WORKER_QUEUES:
            supervisor.start(worker(name))
        connections.close_all()
        threading.Thread(target=self.announce, daemon=True).start()
        supervisor.watch(self.ending.event)

    def prepare_sandboxes(self) -> None:
        """Where it fails the rest works, and the start of a sandbox tells what is missing."""
        try:
            runtime_api.prepare()
            chosen = choice.chosen()
            isolation = runtime_api.isolation(backend=chosen.backend)
            self.say(f"New sandboxes: {isolation}. {chosen.reason}".strip())
        except SandboxError as error:
            self.say(f"Sandboxes do not work yet. {error}")

    def end_all(self, supervisor: Supervisor) -> None:
        """Workers first: what they have open they leave to the next start, and nobody starts a sandbox anew."""
        self.say("Ending …")
        supervisor.end(*settings.WORKER_QUEUES, is_hurried=self.ending.is_hurried)
        try:
            reconcile.end_all()
        finally:
            supervisor.end("web", is_hurried=self.ending.is_hurried)
            supervisor.end("redis", is_hurried=self.ending.is_hurried)
        self.say("Ended. Conversations go on at the next start.")

    def announce(self) -> None:
        """Waits for the web server, then says where it is, and to an administrator who never was here how to enter."""
        try:
            if await_web(self.ending.event):
                self.say(f"\nOpenHands is ready: {settings.PUBLIC_URL}")
                if problem := startup.missing_assets():
                    self.say(problem)
                self.tell_how_to_enter()
                self.say("Ctrl-C ends it.\n")
        finally:
            connections.close_all()

    def tell_how_to_enter(self) -> None:
        try:
            administrator = services.ensure_administrator()
        except AccountError as error:
            self.say(f"Nobody can sign in as an administrator. {error}")
        else:
            # A link is for the person at the terminal: whoever reads it is the administrator, so no log has it.
            if administrator.last_login is None and not settings.LOG_JSON:
                self.say(f"Sign in once with this link: {services.create_sign_in_link(user=administrator)}")
            if not administrator.has_usable_password():
                self.say(f"(A link whenever one is needed: {command_line('sign_in_link')})")

    def say(self, text: str) -> None:
        """For the person at the terminal; where machines read, a line of the log."""
        if settings.LOG_JSON:
            log.info(text.strip())
        else:
            # The terminal is gone, or its disk full: what is at hand is to be done all the same.
            with suppress(OSError):
                self.stdout.write(text)
                self.stdout.flush()

    def show(self, name: str, line: str) -> None:
        """A line that a child printed."""
        if not line:
            return
        if name == "redis":
            log.debug(line, process=name)
        elif settings.LOG_JSON and not is_json(line):
            log.info(line, process=name)
        else:
            with suppress(OSError):  # nobody reads our log any more: no reason for a child to stand still
                sys.stderr.write(f"{line}\n" if settings.LOG_JSON else f"{name:>10} │ {line}\n")


class Ending:
    """Set by the first signal; a second one cuts short the patience with what does not end."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._signals = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def is_hurried(self) -> bool:
        return self._signals > 1

    def _note(self, *_: object) -> None:
        self._signals += 1
        self.event.set()


def environment() -> dict[str, str]:
    """Ours, with what must be the same in every process whatever folder it was started in."""
    return {
        **os.environ,
        "OPENHANDS_HOME": str(settings.OPENHANDS_HOME),
        "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
        "PYTHONPATH": os.pathsep.join(filter(None, [str(settings.BASE_DIR), os.environ.get("PYTHONPATH")])),
        "PYTHONUNBUFFERED": "1",
        "SANDBOX_BACKEND": choice.chosen().backend,
    }


def command_line(command: str) -> str:
    """How to give the command to this installation, from the folder of the project."""
    ours = [
        f"{name}={shlex.quote(os.environ[name])}"
        for name in ("PORT", "OPENHANDS_HOME")
        if os.environ.get(name)
    ]
    return " ".join([*ours, ".venv/bin/python manage.py", command])


def worker(name: str) -> Program:
    threads = settings.AGENT_THREADS if name == "agent" else settings.BACKGROUND_THREADS
    options = [
        "--pool",
        "threads",
        "--concurrency",
        str(threads),
        "--queues",
        ",".join(settings.WORKER_QUEUES[name]),
    ]
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]  # ours is in the database
    celery = [*PYTHON, "celery", "--quiet", "-A", "openhands_site", "worker", "-n", f"{name}@%h"]
    return Program(name, [*celery, *options, *alone], patience=settings.STOP_SECONDS)


def await_web(is_ending: threading.Event) -> bool:
    """True when the web server is ready, False when we are ending. Says so once if that takes long."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)  # noqa: S104
    complain_at = time.monotonic() + READY_SECONDS
    while not is_ending.wait(0.1):
        connection = http.client.HTTPConnection(host.strip("[]"), settings.PORT, timeout=5)
        try:
            connection.request("GET", "/ready", headers={"Host": "localhost"})
            if connection.getresponse().status == http.HTTPStatus.OK:
                return True
        except OSError:
            pass
        finally:
            connection.close()
        if time.monotonic() > complain_at:
            log.error("the web server is not ready yet; its lines above say why", seconds=READY_SECONDS)
            complain_at = float("inf")
    return False


def is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
