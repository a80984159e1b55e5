"""A place for hints in tests: kept in lists, delivered nowhere."""


class CollectingSink:
    enqueued: list[tuple[str, tuple[str, ...]]] = []
    published: list[tuple[str, str]] = []

    def enqueue(self, task: str, args: tuple[str, ...]) -> None:
        self.enqueued.append((task, args))

    def publish(self, channel: str, message: str) -> None:
        self.published.append((channel, message))
