"""The HTTP side of a real action server."""

import http.client
import json
import random
import threading
import time
import uuid
from typing import Any

import pytest

from .conftest import KEY, Conversation, Server, eventually


def path(action_id: str = "") -> str:
    return f"/actions/{action_id or uuid.uuid4()}"


def test_health_names_the_boot(server: Server) -> None:
    status, answer = server.request("GET", "/health")
    assert status == 200
    assert answer["boot_id"] == server.boot_id
    assert answer["uptime_seconds"] > 0


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x", KEY[:-1], "ключ".encode().decode("latin-1")])
@pytest.mark.parametrize(
    "method, where",
    [
        ("GET", "/health"),
        ("PUT", "/actions/{id}"),
        ("POST", "/actions/{id}/interrupt"),
        ("DELETE", "/actions/{id}"),
        ("GET", "/no"),
    ],
)
def test_without_the_key_everything_is_refused(
    server: Server, method: str, where: str, key: str | None
) -> None:
    status, answer = server.request(method, where.format(id=uuid.uuid4()), key=key)
    assert (status, answer["code"]) == (401, "unauthorized")


def test_a_put_again_answers_the_stored_result(conversation: Conversation) -> None:
    action_id = str(uuid.uuid4())
    first = conversation.act("terminal", action_id, command="echo x >> ran; wc -l < ran")
    second = conversation.act("terminal", action_id, command="echo x >> ran; wc -l < ran")
    assert first == second
    assert first.content[0].text == "1"


def test_a_client_that_goes_away_loses_nothing(conversation: Conversation) -> None:
    action_id = str(uuid.uuid4())
    arguments = {"command": "echo x >> gone; sleep 0.5; wc -l < gone"}
    with pytest.raises(TimeoutError):
        conversation.server.request(
            "PUT", path(action_id), conversation.body("terminal", arguments), timeout=0.1
        )
    joined = conversation.act("terminal", action_id, **arguments)
    assert joined.content[0].text == "1"


def test_many_that_ask_at_once_share_one_run(conversation: Conversation) -> None:
    action_id = str(uuid.uuid4())
    texts: list[str] = []
    command = "echo x >> shared; sleep 0.3; wc -l < shared"

    def ask() -> None:
        texts.append(conversation.act("terminal", action_id, command=command).content[0].text)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["1"] * 8


def test_refusals_have_their_codes(conversation: Conversation) -> None:
    request = conversation.server.request
    body = conversation.body("terminal", {"command": "touch must-not-exist"})
    status, answer = request("PUT", path(), {**body, "boot_id": "another"})
    assert (status, answer["code"]) == (409, "boot_changed")
    conversation.act("terminal", command="true")
    request("PUT", path(), {**conversation.body("terminal", {}), "fence": 7})
    status, answer = request("PUT", path(), {**body, "fence": 6})
    assert (status, answer["code"]) == (409, "fence_too_old")
    for method, end, expected in (("POST", "/interrupt", 202), ("DELETE", "", 204)):
        action_id = str(uuid.uuid4())
        assert request(method, path(action_id) + end)[0] == expected
        assert request(method, path(action_id) + end)[0] == expected
        status, answer = request("PUT", path(action_id), {**body, "fence": 7})
        assert (status, answer["code"]) == (410, "discarded")
    assert not (conversation.server.workspace / "must-not-exist").exists()


def test_deleting_a_stored_result_makes_its_id_unusable(conversation: Conversation) -> None:
    action_id = str(uuid.uuid4())
    conversation.act("terminal", action_id, command="true")
    assert conversation.server.request("DELETE", path(action_id))[0] == 204
    body = conversation.body("terminal", {"command": "true"})
    assert conversation.server.request("PUT", path(action_id), body)[0] == 410


def test_the_next_action_can_say_that_the_result_of_another_is_stored(conversation: Conversation) -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    body = conversation.body("terminal", {"command": "true"})
    request = conversation.server.request
    for _ in range(2):  # it may be asked again
        assert request("PUT", path(first), body)[0] == 200
    for _ in range(2):
        assert request("PUT", path(second), body, stored=first)[0] == 200
    assert request("PUT", path(first), body)[0] == 410


def test_it_is_said_also_with_a_body_that_is_refused(conversation: Conversation) -> None:
    stored = str(uuid.uuid4())
    conversation.act("terminal", stored, command="true")
    assert conversation.server.request("PUT", path(), b"{", stored=stored)[0] == 400
    body = conversation.body("terminal", {"command": "true"})
    assert conversation.server.request("PUT", path(stored), body)[0] == 410


def test_nothing_runs_where_it_is_not_said_what_is_stored(conversation: Conversation) -> None:
    body = conversation.body("terminal", {"command": "touch must-not-exist"})
    status, answer = conversation.server.request("PUT", path(), body, stored="everything")
    assert (status, answer["code"]) == (400, "bad_request")
    assert not (conversation.server.workspace / "must-not-exist").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"fence": "1"},
        {"fence": True},
        {"fence": None},
        {"arguments": []},
        {"arguments": "ls"},
        {"conversation_id": 5},
        {"tool": None},
        {"more": 1},
    ],
)
def test_a_malformed_body_is_a_bad_request(conversation: Conversation, change: dict[str, Any]) -> None:
    body = {**conversation.body("terminal", {"command": "true"}), **change}
    status, answer = conversation.server.request("PUT", path(), body)
    assert (status, answer["code"]) == (400, "bad_request")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b"5" * 5000])
def test_a_body_that_is_no_json_object_is_a_bad_request(server: Server, data: bytes) -> None:
    status, answer = server.request("PUT", path(), data)
    assert (status, answer["code"]) == (400, "bad_request")


def test_an_id_that_is_no_uuid_is_a_bad_request(server: Server) -> None:
    for method, where in (("PUT", "/actions/7"), ("POST", "/actions/x/interrupt"), ("DELETE", "/actions/-")):
        status, answer = server.request(method, where)
        assert (status, answer["code"]) == (400, "bad_request")


def test_a_body_over_the_limit_is_refused(start_server: Any) -> None:
    conversation = Conversation(start_server("--max-body-mb", "1"))
    assert conversation.text(": '" + "x" * 900_000 + "'; echo fits") == "fits"
    body = conversation.body("terminal", {"command": "x" * 1_100_000})
    status, answer = conversation.server.request("PUT", path(), body)
    assert (status, answer["code"]) == (413, "bad_request")


def test_the_server_answers_while_actions_run(conversation: Conversation) -> None:
    action_id = str(uuid.uuid4())
    thread = threading.Thread(
        target=conversation.act, args=("terminal", action_id), kwargs={"command": "sleep 5"}
    )
    thread.start()
    request = conversation.server.request
    assert eventually(lambda: action_id in request("GET", "/health")[1]["running_actions"])
    assert conversation.text("echo quick", session="other") == "quick"
    assert request("POST", path(action_id) + "/interrupt")[0] == 202
    thread.join()
    assert action_id not in request("GET", "/health")[1]["running_actions"]


def test_a_trivial_command_takes_a_few_milliseconds(conversation: Conversation) -> None:
    conversation.terminal("true")
    connection = http.client.HTTPConnection("127.0.0.1", conversation.server.announced["port"])
    body = json.dumps(conversation.body("terminal", {"command": "true"}))
    times = []
    for _ in range(50):
        begun = time.perf_counter()
        connection.request("PUT", path(), body, {"Authorization": f"Bearer {KEY}"})
        assert connection.getresponse().read()
        times.append(time.perf_counter() - begun)
    connection.close()
    assert sorted(times)[25] < 0.02  # 0.9 ms on an idle machine


GARBAGE: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        10**30,
        1.5,
        float("nan"),
        float("inf"),
        "",
        " ",
        "C-c",
        "\0",
        "\ud800",
        "x",
    ),
    *("/", "..", "/etc/passwd", "/dev/zero", "/proc/self/mem", "x" * 5000, "a\nb", "\r", "~", [], {}, [1, 2]),
    *([-1, 0], ["a"], {"a": 1}, [[]], "view", "create", "str_replace", "insert", "undo_edit", "echo hi"),
]
NAMES = {
    "terminal": ["command", "is_input", "timeout", "reset", "session", "junk"],
    "file_editor": [
        "command",
        "path",
        "view_range",
        "file_text",
        "old_str",
        "new_str",
        "insert_line",
        "junk",
    ],
}


@pytest.mark.parametrize("seed", range(4))
def test_garbage_in_arguments_never_breaks_the_server(conversation: Conversation, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        tool = chance.choice(list(NAMES))
        names = chance.sample(NAMES[tool], chance.randint(0, len(NAMES[tool])))
        arguments = {name: chance.choice(GARBAGE) for name in names}
        if tool == "file_editor" and chance.random() < 0.7:
            arguments["command"] = chance.choice(["view", "create", "str_replace", "insert", "undo_edit"])
            arguments["path"] = chance.choice(["a", "b/c", ".", "a/x", "/tmp"])
        if tool == "terminal":
            arguments["timeout"] = chance.choice([0.001, 0.01, 0.02, 0, "x"])
        status, answer = conversation.server.request("PUT", path(), conversation.body(tool, arguments))
        assert status == 200, arguments
        assert answer["outcome"] in ("ok", "error"), arguments
        assert "unexpectedly" not in str(answer["content"]), (arguments, answer)
    assert conversation.text("echo sane", session="after") == "sane"
