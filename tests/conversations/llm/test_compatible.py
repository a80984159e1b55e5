"""What servers that speak OpenAI's protocol do differently from each other, and what must not be sent to them."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from conversations.llm import client, compatible
from conversations.llm.attempts import Backoff, RemoteModel
from conversations.llm.base import ModelChoice, Reply, Request
from conversations.llm.compatible import Fields
from conversations.llm.errors import LLMError
from openhands_site import async_thread
from tests.conversations.llm.conftest import TOOL, Call
from tests.fakes.openai_server import OpenAIServer, Turn

Answer = Callable[[web.Request], web.StreamResponse]
END = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


def ask(answer: web.Response, messages: list[dict[str, Any]] | None = None) -> Reply:
    """The reply of a server that answers so."""

    async def asked() -> Reply:
        async def handler(_: web.Request) -> web.Response:
            return answer

        app = web.Application()
        app.router.add_post("/v1/chat/completions", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        choice = ModelChoice("local/model", "", f"http://127.0.0.1:{runner.addresses[0][1]}/v1/")
        model = RemoteModel(
            choice, "r", compatible.Endpoint(choice, "model").attempt, Backoff(first=0.001, longest=0.001)
        )
        try:
            return await model.complete(Request(messages or [], []), lambda _: None)
        finally:
            await runner.cleanup()

    return async_thread.run(asked()).result(20)


def events(*lines: bytes) -> web.Response:
    return web.Response(body=b"".join(lines), content_type="text/event-stream")


def test_a_model_at_a_base_url_needs_no_litellm() -> None:
    model = client.create(ModelChoice("openai/gpt-4o", "sk-1", "http://127.0.0.1:1/v1"))
    assert isinstance(model._attempt.__self__, compatible.Endpoint)  # type: ignore[attr-defined]
    assert isinstance(
        client.create(ModelChoice("openai/gpt-4o", "sk-1"))._attempt.__self__,  # type: ignore[attr-defined]
        client.LiteLLM,
    )


@pytest.mark.parametrize(
    "lines",
    [
        (b'data:{"choices":[{"delta":{"content":"Hi"}}]}\r\n\r\n', END),
        (b": keep-alive\n\n", b'event: message\ndata: {"choices": [{"delta": {"content": "Hi"}}]}\n\n', END),
        (
            b'data: {"choices": [], "usage": null}\n\n',
            b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n',
            END,
        ),
        (b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\n',),
    ],
    ids=["no spaces", "comments and names", "an empty chunk first", "all at once, without a last line"],
)
def test_streams_are_read_however_they_are_written(lines: tuple[bytes, ...]) -> None:
    assert ask(events(*lines)).text == "Hi"


def test_a_whole_reply_to_a_request_for_a_stream_is_taken() -> None:
    body = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": None}
    assert ask(web.json_response(body)).text == "Hi"


def test_reasoning_is_found_under_its_other_name() -> None:
    told = ask(events(b'data: {"choices": [{"delta": {"reasoning": "Hm.", "content": "Hi"}}]}\n\n', END))
    assert (told.reasoning, told.text) == ("Hm.", "Hi")


@pytest.mark.parametrize(
    "answer, code",
    [
        (events(b'data: {"error": {"message": "Out of memory", "code": 503}}\n\n'), "unavailable"),
        (events(b"data: <html>\n\n"), "unreadable"),
        (events(b"data: [1]\n\n"), "unreadable"),
        (web.Response(text="<html>Welcome</html>", content_type="text/html"), "unreadable"),
        (web.json_response({"choices": []}), "unreadable"),
        (web.Response(status=302, headers={"Location": "/elsewhere"}), "unreadable"),
        (web.Response(status=400, text="the input is too long for this model"), "context_window"),
        (web.Response(status=413, text="Too large"), "bad_request"),
    ],
    ids=["an error in a stream", "no JSON", "a list", "a page", "no choice", "elsewhere", "too long", "413"],
)
def test_what_is_no_reply_is_explained(answer: web.Response, code: str, settings: Any) -> None:
    settings.LLM_RETRIES = 0
    with pytest.raises(LLMError) as raised:
        ask(answer)
    assert raised.value.code == code


def test_tools_are_sent_without_what_some_servers_refuse() -> None:
    with OpenAIServer([Turn(text="Yes.")], check_key=False) as server:
        choice = ModelChoice("local/model", "", server.base_url)
        Call(client.create(choice)).run(Request([{"role": "user", "content": "Hello"}], [TOOL]))
    [seen] = server.requests
    assert "additionalProperties" not in seen.body["tools"][0]["function"]["parameters"]
    assert TOOL["function"]["parameters"]["additionalProperties"] is False  # type: ignore[index]
    assert "Authorization" not in seen.headers


def test_each_request_says_what_the_conversation_holds_by_then() -> None:
    """Messages are encoded once and kept: what was put in, taken away or exchanged is sent all the same."""
    first, second = {"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}
    conversations = [[first], [first, second], [second, first], [first], [first, {**second, "content": "3"}]]
    with OpenAIServer([Turn(text="Yes.")] * len(conversations), check_key=False) as server:
        call = Call(client.create(ModelChoice("local/model", "", server.base_url)))
        for messages in conversations:
            call.run(Request(messages, []))
    assert [seen.body["messages"] for seen in server.requests] == conversations


def test_a_field_that_is_missing_is_none() -> None:
    assert Fields(a=1).a == 1
    assert Fields(a=1).b is None
