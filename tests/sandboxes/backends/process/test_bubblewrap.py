from pathlib import Path

from sandboxes.backends.process.bubblewrap import Inside, command


def inside(**changes: object) -> Inside:
    shown = {
        "workspace": Path("/home/x/var/sandboxes/1/workspace"),
        "data": Path("/home/x/var/sandboxes/1/data"),
        "temporary": Path("/home/x/var/sandboxes/1/tmp"),
        "accounts": Path("/home/x/var/sandboxes/1/etc"),
        "code": Path("/home/x"),
        "prefix": Path("/home/x/.pyenv/3.11"),
        "libraries": Path("/home/x/.venv/lib/python3.11/site-packages"),
        "hidden": [Path("/home/x/var")],
    }
    return Inside(**{**shown, **changes})  # type: ignore[arg-type]


def pairs(arguments: list[str], option: str) -> list[tuple[str, str]]:
    return [
        (arguments[i + 1], arguments[i + 2]) for i, argument in enumerate(arguments) if argument == option
    ]


def test_only_the_sandboxs_own_folders_can_be_written() -> None:
    writable = pairs(command(inside(), ["program"], uid=None, info_fd=None), "--bind")
    assert [target for _, target in writable] == ["/tmp", "/opt/openhands/data", "/workspace"]


def test_neither_the_home_nor_the_rest_of_our_code_is_shown() -> None:
    arguments = command(inside(), ["program"], uid=None, info_fd=None)
    sources = [source for source, _ in pairs(arguments, "--ro-bind") + pairs(arguments, "--bind")]
    assert "/home/x/var" not in sources
    assert [source for source in sources if source.startswith("/home/x/sandboxes")] == [
        "/home/x/sandboxes/__init__.py",
        "/home/x/sandboxes/protocol.py",
        "/home/x/sandboxes/action_server",
    ]


def test_a_home_inside_a_folder_that_is_shown_is_covered() -> None:
    arguments = command(inside(hidden=[Path("/usr/local/openhands")]), ["program"], uid=None, info_fd=None)
    assert arguments.index("/usr") < arguments.index("/usr/local/openhands")
    assert arguments[arguments.index("/usr/local/openhands") - 1] == "--tmpfs"
    within = command(inside(hidden=[Path("/home/x/.pyenv/3.11/var")]), ["program"], uid=None, info_fd=None)
    assert within[within.index("/home/x/.pyenv/3.11/var") - 1] == "--tmpfs"


def test_folders_above_what_is_shown_are_open_to_the_sandboxs_user() -> None:
    arguments = command(inside(), ["program"], uid=None, info_fd=None)
    for folder in ("/home", "/home/x", "/home/x/.pyenv"):
        at = arguments.index(folder)
        assert arguments[at - 3 : at] == ["--perms", "0755", "--dir"]


def test_an_interpreter_of_the_system_needs_no_place_of_its_own() -> None:
    arguments = command(inside(prefix=Path("/usr/local")), ["program"], uid=None, info_fd=None)
    assert ("/usr/local", "/usr/local") not in pairs(arguments, "--ro-bind")


def test_secrets_of_etc_are_not_shown() -> None:
    targets = {target for _, target in pairs(command(inside(), ["p"], uid=None, info_fd=None), "--ro-bind")}
    assert {"/etc/passwd", "/etc/group"} < targets
    assert not targets & {"/etc", "/etc/shadow", "/etc/ssl", "/etc/ssl/private", "/etc/ssh", "/etc/sudoers"}


def test_root_becomes_the_sandboxs_user_with_nothing_left() -> None:
    arguments = command(inside(), ["program", "argument"], uid=12345, info_fd=7)
    assert arguments[-2:] == ["program", "argument"]
    tail = arguments[arguments.index("setpriv") :]
    assert {
        "--reuid=12345",
        "--regid=12345",
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set=-all",
    } < set(tail)
    assert arguments[arguments.index("--info-fd") + 1] == "7"


def test_another_user_keeps_no_capability() -> None:
    arguments = command(inside(), ["program"], uid=None, info_fd=None)
    assert arguments[arguments.index("--cap-drop") + 1] == "ALL"
    assert "--cap-add" not in arguments
