"""Forks Celery workers from a process that has loaded everything: a line "NAME QUEUES" in, the worker's pid out."""

import os
import signal
import sys


def main() -> None:
    import django

    django.setup()
    from openhands_site.celery import app

    app.loader.import_default_modules()
    app.finalize()
    import conversations.agent.loop  # noqa: F401 - what a task would import at its first run
    import sandboxes.runtime_api.client  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead need no burial
    for line in sys.stdin:
        name, queues = line.split()
        pid = os.fork()
        if pid == 0:
            become_worker(name, queues)
        print(pid, flush=True)


def become_worker(name: str, queues: str) -> None:
    import ctypes

    from openhands_site.celery import app
    from openhands_site.die_with_parent import PR_SET_PDEATHSIG

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    options = ["--pool", "threads", "--concurrency", "32", "--queues", queues, "-n", f"{name}@farm"]
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main(["--quiet", "worker", *options, *alone])
    os._exit(0)


if __name__ == "__main__":
    main()
