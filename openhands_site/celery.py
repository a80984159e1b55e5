"""The Celery application. Its messages are hints: the work itself is a row in the database."""

import gc
import logging.config
import os
import threading
import warnings
from typing import Any

from celery import Celery, bootsteps, signals
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "openhands_site.settings")
app = Celery("openhands")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# As root it warns of pickled tasks: ours are JSON, and root gives every sandbox a user of its own.
warnings.simplefilter("ignore", SecurityWarning)
# When the broker is lost it warns of a default that will change: ours acknowledges early, so it is no matter.
warnings.simplefilter("ignore", CPendingDeprecationWarning)

_busy = 0
_busy_lock = threading.Lock()


def _count(step: int) -> None:
    global _busy  # noqa: PLW0603 - a process counts its own threads
    with _busy_lock:
        _busy += step


@signals.setup_logging.connect
def _keep_our_log(**_: Any) -> None:
    """Celery sets up no logging of its own where somebody listens to this."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@signals.task_prerun.connect
def _thread_taken(**_: Any) -> None:
    _count(1)


@signals.task_postrun.connect
def _thread_freed(**_: Any) -> None:
    _count(-1)


def _warm_up(paths: list[str]) -> None:
    """Does beforehand what the first conversation would wait for."""
    from django.utils.module_loading import import_string

    for path in paths:
        import_string(path)()
    # What is there now stays: the garbage collector need not walk it again, 50 ms in which the whole process stands
    # still, once in 200 steps.
    gc.collect()
    gc.freeze()


def carry_out(task: Any, arguments: tuple[str, ...]) -> None:
    """Runs the task in this thread, without a message.

    Celery gives the connection back after a task that came by message, and not after one that is applied; the thread
    may then wait for its next work for hours, and a pool of connections is soon used up.
    """
    from openhands_site.db import release_connection

    try:
        task.apply(arguments)
    finally:
        release_connection()


class WorkerStep(bootsteps.StartStopStep):
    """A Celery worker is a worker of ours: it beats, and sweeps for the queues that it serves.

    It is one as soon as it has its threads, whether or not it can reach the broker: what the sweep finds is begun
    in these threads, so without Redis work only begins a little later.
    """

    requires = ("celery.worker.components:Pool",)

    def start(self, controller: Any) -> None:
        from django.conf import settings
        from django.utils.module_loading import import_string

        from openhands_site.workers.models import Worker
        from openhands_site.workers.process import Work, become_worker

        queues = list(controller.app.amqp.queues.consume_from)
        tasks, pool = controller.app.tasks, controller.pool

        def begin(work: Work) -> None:
            task, *arguments = work
            pool.apply_async(carry_out, (tasks[task], tuple(arguments)))

        sweeps = [import_string(path) for queue in queues for path in settings.SWEEPS.get(queue, ())]
        become_worker(Worker.name_of(queues), sweeps, lambda: int(controller.concurrency) - _busy, begin)
        warm_ups = [path for queue in queues for path in settings.WARM_UPS.get(queue, ())]
        threading.Thread(target=_warm_up, args=(warm_ups,), name="warm-up", daemon=True).start()

    def stop(self, parent: Any) -> None:
        """Before the threads end, whatever ends the worker."""
        from openhands_site.workers.process import take_no_more

        take_no_more()

    terminate = stop


app.steps["worker"].add(WorkerStep)


@signals.worker_shutdown.connect
def _end_worker(**_: Any) -> None:
    from openhands_site.workers.process import end_worker

    end_worker()
