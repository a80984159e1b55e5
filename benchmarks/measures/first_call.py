"""How soon the model is asked: from the request that says what is to be done to the first call of the model's provider,
where the conversation's sandbox is there already, and where one has to be started."""

import time
from collections.abc import Iterator

from benchmarks.bench import Bench, wait_until_settled
from benchmarks.figures import Figure


def measure(bench: Bench) -> Iterator[Figure]:
    with_sandbox: list[list[float]] = []
    without: list[list[float]] = []
    with bench.installation() as installation, installation.api() as api:
        wait_until_settled(api, installation.file(api, 1))
        for _ in range(bench.runs):
            there, fresh = [], []
            for _ in range(bench.count(7, 2)):
                conversation = installation.file(api, 1)
                wait_until_settled(api, conversation)
                fresh.append(installation.calls(conversation.mark)[0][0] - conversation.posted_at)
                time.sleep(0.3)
                known = len(installation.calls(conversation.mark))
                begun = time.monotonic()
                api.post(f"/conversations/{conversation.id}/messages", json={"text": "Once more."})
                while len(installation.calls(conversation.mark)) == known:
                    time.sleep(0.05)
                there.append(installation.calls(conversation.mark)[known][0] - begun)
                wait_until_settled(api, conversation)
            with_sandbox.append([seconds * 1000 for seconds in there])
            without.append([seconds * 1000 for seconds in fresh])
    yield Figure("from POST to the first call, with a sandbox there", "ms", with_sandbox, aim=60)
    yield Figure("from POST to the first call, without one (process)", "ms", without, aim=400)
