"""Things that a process makes at most once, also when several threads ask for the first time at once."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

T = TypeVar("T")


def once(make: Callable[[], T]) -> Callable[[], T]:
    """`make`, called at the first call alone (`functools.cache` would let several threads make one each)."""
    lock, made = threading.Lock(), list[T]()

    @wraps(make)
    def get() -> T:
        if not made:
            with lock:
                if not made:
                    made.append(make())
        return made[0]

    return get
