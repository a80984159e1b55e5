import threading
import time

from openhands_site.once import once


def test_threads_that_ask_at_once_get_the_same() -> None:
    @once
    def made() -> object:
        time.sleep(0.01)
        return object()

    found: list[object] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        found.append(made())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
