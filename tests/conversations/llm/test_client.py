import copy
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from conversations.llm import client
from conversations.llm.base import ModelChoice, Request, Usage
from conversations.llm.client import Backoff
from conversations.llm.errors import LLMError
from tests.conversations.llm.conftest import TOOL, Call
from tests.fakes.openai_server import OpenAIServer, Turn

CallTo = Callable[..., Call]
TWO_CALLS = Turn(
    text="I look first.",
    reasoning="The folder may be empty.",
    tool_calls=[
        {"id": "call_a", "name": "terminal", "arguments": {"command": "ls -la /workspace"}},
        {"id": "call_b", "name": "terminal", "arguments": {"command": "git status"}},
    ],
    usage={
        "prompt_tokens": 1000,
        "completion_tokens": 50,
        "total_tokens": 1050,
        "prompt_tokens_details": {"cached_tokens": 600},
    },
)


@pytest.mark.parametrize("name", ["openai/gpt-4o", "litellm_proxy/gpt-4o"])
def test_a_reply_has_its_text_reasoning_calls_tokens_and_cost(
    call_to: CallTo, both_ways: bool, name: str
) -> None:
    with OpenAIServer([TWO_CALLS]) as server:
        call = call_to(server, name)
        reply = call.run()
    assert (reply.text, reply.reasoning) == ("I look first.", "The folder may be empty.")
    assert [(made.id, made.name, made.arguments) for made in reply.tool_calls] == [
        ("call_a", "terminal", '{"command": "ls -la /workspace"}'),
        ("call_b", "terminal", '{"command": "git status"}'),
    ]
    assert (reply.usage.prompt_tokens, reply.usage.cached_tokens, reply.usage.completion_tokens) == (
        1000,
        600,
        50,
    )
    # gpt-4o: $2.50 fresh, $1.25 cached, $10 written, for a million tokens.
    assert reply.usage.cost == Decimal("0.00225")
    assert reply.attempts == 1
    assert (reply.first_token_ms is not None) == both_ways


def test_the_pieces_add_up_to_the_reply(call_to: CallTo, both_ways: bool) -> None:
    with OpenAIServer([TWO_CALLS]) as server:
        call = call_to(server)
        reply = call.run()
    assert call.streamed("text") == reply.text
    assert call.streamed("reasoning") == reply.reasoning
    for index, made in enumerate(reply.tool_calls):
        assert call.streamed("arguments", index=index) == made.arguments
    assert (len(call.deltas) > 6) == both_ways


def test_the_request_reaches_the_provider_whole_and_is_not_changed(call_to: CallTo, both_ways: bool) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look."}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "terminal", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "Nothing."},
    ]
    request = Request(messages, [TOOL])
    before = copy.deepcopy(request)
    with OpenAIServer([Turn(text="Yes.")]) as server:
        call_to(server).run(request)
    assert request == before
    [seen] = server.requests
    assert seen.body["model"] == "gpt-4o"
    assert [message["role"] for message in seen.body["messages"]] == ["system", "user", "assistant", "tool"]
    assert seen.body["messages"][2]["tool_calls"][0]["id"] == "call_1"
    assert [tool["function"]["name"] for tool in seen.body["tools"]] == ["terminal"]
    assert seen.body.get("stream", False) == both_ways


def test_arguments_that_are_no_json_come_as_they_are(call_to: CallTo, both_ways: bool) -> None:
    with OpenAIServer([Turn.call("terminal", '{"command": "ls')]) as server:
        [made] = call_to(server).run().tool_calls
    assert made.arguments == '{"command": "ls'


@pytest.mark.parametrize("told", ["alone", "at the end", "always"])
def test_a_stream_may_tell_its_usage_anywhere(call_to: CallTo, told: Any) -> None:
    with OpenAIServer([replace(TWO_CALLS, usage_told=told), TWO_CALLS]) as server:
        call = call_to(server)
        told_there, told_alone = call.run(), call.run()
    assert told_there.usage == told_alone.usage
    assert told_there.usage.cached_tokens == 600
    assert len({seen.connection for seen in server.requests}) == 1


@pytest.mark.parametrize(
    "lacks_it", [Turn(text="Hello.", usage_told="never"), Turn(text="Hello.", cut_after=3)]
)
def test_a_reply_whose_usage_never_comes_is_kept_and_its_tokens_are_counted(
    call_to: CallTo, lacks_it: Turn
) -> None:
    with OpenAIServer([lacks_it]) as server:
        reply = call_to(server).run()
    assert (reply.text, reply.attempts) == ("Hello.", 1)
    assert reply.usage.prompt_tokens
    assert reply.usage.completion_tokens


def test_a_price_that_is_not_known_leaves_the_cost_unknown(call_to: CallTo) -> None:
    with OpenAIServer([Turn(text="Hello.")]) as server:
        usage = call_to(server, "openai/our-own-model").run().usage
    assert usage.prompt_tokens
    assert usage.cost is None


def test_a_number_of_tokens_that_cannot_be_is_not_known(call_to: CallTo, both_ways: bool) -> None:
    said = {"prompt_tokens": 1000, "completion_tokens": -1, "total_tokens": 999}
    cached = {"prompt_tokens": 2**31, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": -1}}
    with OpenAIServer([Turn(text="Hello.", usage=said), Turn(text="Hello.", usage=cached)]) as server:
        call = call_to(server)
        assert call.run().usage == Usage(1000, None, None, None)
        assert call.run().usage == Usage(None, None, 5, None)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_what_may_pass_is_tried_again(call_to: CallTo, both_ways: bool, status: int) -> None:
    with OpenAIServer([Turn.failure(status), Turn.failure(status), Turn(text="There.")]) as server:
        call = call_to(server)
        reply = call.run()
    assert (reply.text, reply.attempts, len(server.requests)) == ("There.", 3, 3)
    assert {delta.attempt for delta in call.deltas} == {3}


@pytest.mark.parametrize(
    "turn, code, words",
    [
        (Turn.failure(400, "Unknown field foo."), "bad_request", "Unknown field foo."),
        (Turn.failure(402), "no_credit", "top it up"),
        (Turn.failure(403), "not_allowed", "may not use openai/gpt-4o"),
        (Turn.failure(404), "model_not_found", "LLM_BASE_URL"),
        (Turn.failure(422), "bad_request", "refused the request"),
        (Turn.failure(429, error_code="insufficient_quota"), "no_credit", "top it up"),
        (Turn.failure(400, "Against our content policy."), "content_policy", "content policy"),
        (
            Turn.failure(400, "This model's maximum context length is 10 tokens."),
            "context_window",
            "longer than openai/gpt-4o can read",
        ),
        (Turn(finish="content_filter"), "content_policy", "content policy"),
    ],
)
def test_what_cannot_pass_is_not_tried_again(
    call_to: CallTo, both_ways: bool, turn: Turn, code: str, words: str
) -> None:
    with OpenAIServer([turn, Turn(text="Never.")]) as server:
        with pytest.raises(LLMError) as raised:
            call_to(server).run()
        assert len(server.requests) == 1
    assert raised.value.code == code
    assert words in raised.value.message
    assert (raised.value.retryable, raised.value.attempts) == (False, 1)


def test_it_gives_up_after_the_retries_that_are_set(call_to: CallTo, settings: Settings) -> None:
    settings.LLM_RETRIES = 2
    with OpenAIServer([Turn.failure(500, "Out of order.")] * 5) as server:
        with pytest.raises(LLMError, match="Out of order") as raised:
            call_to(server).run()
        assert len(server.requests) == 3
    assert (raised.value.code, raised.value.retryable, raised.value.attempts) == ("unavailable", True, 3)


def test_it_waits_as_long_as_the_provider_asks(call_to: CallTo, both_ways: bool) -> None:
    with OpenAIServer([Turn.failure(429, headers={"Retry-After": "0.4"}), Turn(text="Now.")]) as server:
        call_to(server).run()
    first, second = server.requests
    assert 0.4 <= second.at - first.at < 2


def test_waits_grow_are_jittered_and_end_at_a_minute() -> None:
    backoff = Backoff()
    for attempt, longest in [(1, 1), (2, 2), (4, 8), (7, 60), (50, 60)]:
        waits = {backoff.wait(attempt, None) for _ in range(50)}
        assert longest / 2 <= min(waits) <= max(waits) <= longest
        assert len(waits) > 1
    assert backoff.wait(1, 12.5) == 12.5
    assert backoff.wait(1, 3600) == 60


@pytest.mark.parametrize("broken", [Turn(text="x" * 60, cut_after=3), Turn(text="x" * 60, finish=None)])
def test_a_stream_that_breaks_off_begins_anew(call_to: CallTo, broken: Turn) -> None:
    with OpenAIServer([broken, Turn(text="Whole.")]) as server:
        call = call_to(server)
        reply = call.run()
    assert (reply.text, reply.attempts) == ("Whole.", 2)
    assert call.streamed("text", attempt=1).startswith("xx")
    assert call.streamed("text", attempt=2) == "Whole."


def test_a_stream_that_always_breaks_off_ends_in_a_sentence(call_to: CallTo, settings: Settings) -> None:
    settings.LLM_RETRIES = 1
    with (
        OpenAIServer([Turn(text="x" * 60, cut_after=3)] * 2) as server,
        pytest.raises(LLMError, match="broke off") as raised,
    ):
        call_to(server).run()
    assert (raised.value.code, raised.value.retryable) == ("cut", True)


def test_an_answer_that_is_no_json_is_tried_again(call_to: CallTo, settings: Settings) -> None:
    settings.LLM_STREAM = False
    with OpenAIServer([Turn(malformed=True), Turn(text="Readable.")]) as server:
        reply = call_to(server).run()
    assert (reply.text, reply.attempts) == ("Readable.", 2)


def test_silence_is_an_error_and_slowness_is_not(call_to: CallTo, settings: Settings) -> None:
    settings.LLM_TIMEOUT = 1
    settings.LLM_RETRIES = 0
    with OpenAIServer([Turn(text="x" * 24, piece=1, pause=0.06), Turn(delay=10)]) as server:
        assert call_to(server).run().text == "x" * 24
        with pytest.raises(LLMError, match="silent for 1 s") as raised:
            call_to(server).run()
    assert (raised.value.code, raised.value.retryable) == ("timeout", True)


def test_a_stream_that_falls_silent_is_given_up(call_to: CallTo, settings: Settings) -> None:
    settings.LLM_TIMEOUT = 1
    with OpenAIServer([Turn(text="xy", piece=1, pause=5), Turn(text="There.")]) as server:
        assert call_to(server).run().attempts == 2


def test_a_server_that_is_not_there_is_said_to_be_unreachable(call_to: CallTo, settings: Settings) -> None:
    settings.LLM_RETRIES = 1
    with OpenAIServer([]) as server:
        pass
    with pytest.raises(LLMError, match=r"cannot be reached at 127\.0\.0\.1") as raised:
        call_to(server).run()
    assert (raised.value.code, raised.value.retryable, raised.value.attempts) == ("unreachable", True, 2)


@pytest.mark.parametrize(
    "turn", [Turn(delay=60), Turn(text="x" * 600, piece=1, pause=0.05)], ids=["before", "amid"]
)
def test_cancelling_ends_the_http_call_at_once(call_to: CallTo, turn: Turn) -> None:
    with OpenAIServer([turn]) as server:
        call = call_to(server)
        future = call.start()
        _wait_until(lambda: bool(server.requests) and (turn.delay > 0 or len(call.deltas) > 2))
        future.cancel()
        assert server.disconnected.wait(10)
        with pytest.raises(CancelledError):
            future.result(1)


def test_cancelling_ends_the_wait_between_attempts(call_to: CallTo) -> None:
    with OpenAIServer([Turn.failure(429, headers={"Retry-After": "50"}), Turn(text="Never.")]) as server:
        future = call_to(server).start()
        _wait_until(lambda: bool(server.requests))
        time.sleep(0.1)
        future.cancel()
        time.sleep(0.1)
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_the_key_is_in_no_message_and_in_no_log(
    call_to: CallTo, both_ways: bool, settings: Settings, logged: pytest.LogCaptureFixture, status: int
) -> None:
    settings.LLM_RETRIES = 1
    key = "sk-very-secret-000111222333"
    turns = [Turn.failure(status, f"Refused: {key} (Bearer {key})")] * 2
    with OpenAIServer(turns, check_key=status == 401) as server:
        call = call_to(server, api_key=key)
        with pytest.raises(LLMError) as raised:
            call.run()
    assert server.requests[0].headers["Authorization"] == f"Bearer {key}"
    assert "very-secret" not in raised.value.message
    assert "very-secret" not in logged.text
    assert raised.value.__context__ is None
    assert raised.value.__cause__ is None
    assert "very-secret" not in repr(call.model)


def test_a_refused_key_is_said_where_to_set_it(call_to: CallTo) -> None:
    with OpenAIServer([]) as server, pytest.raises(LLMError) as raised:
        call_to(server, api_key="sk-wrong-0000000000").run()
    assert (raised.value.code, raised.value.fault) == ("key_refused", "user")
    assert "LLM_API_KEY" in raised.value.message
    assert "Settings" in raised.value.message


@pytest.mark.parametrize("name", ["openai/gpt-4o", "anthropic/claude-sonnet-4-5"])
def test_without_a_key_no_key_of_the_servers_environment_is_sent(
    call_to: CallTo, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("OPENAI_API_KEY", "HOSTED_VLLM_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(variable, "sk-of-the-server")
    with OpenAIServer([Turn(text="Hello.")], check_key=False) as server:
        call = call_to(server, name, api_key="")
        try:
            call.run()
        except LLMError:
            assert name.startswith("anthropic/")  # the stand-in does not speak Anthropic's protocol
    assert server.requests
    assert all("sk-of-the-server" not in str(seen.headers) for seen in server.requests)


def test_a_name_that_nobody_provides_is_explained() -> None:
    call = Call(client.create(ModelChoice("our-own-model")))
    with pytest.raises(LLMError, match="Nobody is known to provide our-own-model") as raised:
        call.run()
    assert raised.value.code == "provider_unknown"


def test_a_key_that_names_a_variable_of_the_server_is_refused() -> None:
    with pytest.raises(LLMError, match="not a key"):
        client.create(ModelChoice("openai/gpt-4o", "os.environ/OPENHANDS_SECRET_KEYS"))


def test_calls_in_a_row_go_over_one_connection(call_to: CallTo, both_ways: bool) -> None:
    with OpenAIServer([TWO_CALLS, TWO_CALLS, Turn(text="Done.")]) as server:
        call = call_to(server)
        for _ in range(3):
            call.run()
    assert len({seen.connection for seen in server.requests}) == 1


def test_many_calls_go_on_at_once(call_to: CallTo) -> None:
    with OpenAIServer([Turn(text=str(number), delay=0.3) for number in range(20)]) as server:
        call = call_to(server)
        call.run()
        started = time.monotonic()
        futures = [call.start() for _ in range(19)]
        texts = {future.result(10).text for future in futures}
    assert len(texts) == 19
    assert time.monotonic() - started < 5  # one after the other they would take 5.7


def _wait_until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)
