import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from openhands_site import env

READ = re.compile(
    r'env\.(?:text|number|amount|flag|choice|items|networks|url|origin|email|matching|folder)\(\s*"([A-Z_]+)"'
)
DESCRIBED = re.compile(r"^\| `([A-Z_]+)`", re.MULTILINE)


def test_each_variable_that_is_read_stands_in_the_documentation_and_no_other_does() -> None:
    sources = (settings.BASE_DIR / "openhands_site" / "settings").glob("*.py")
    read = {name for source in sources for name in READ.findall(source.read_text())}
    assert read == set(DESCRIBED.findall((settings.BASE_DIR / "docs" / "settings.md").read_text()))


def test_only_env_reads_the_environment() -> None:
    folders = ("accounts", "sandboxes", "conversations", "integrations", "openhands_site/settings")
    sources = [path for folder in folders for path in (settings.BASE_DIR / folder).rglob("*.py")]
    readers = {
        str(path.relative_to(settings.BASE_DIR))
        for path in sources
        if re.search(r"os\.environ\[[^]]*\](?!\s*=)|environ\.get\(|os\.getenv", path.read_text())
        and "action_server" not in path.parts  # it runs in a sandbox, which has none of our settings
    }
    assert readers == set()


def test_a_variable_that_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "")
    assert env.text("HOST", "127.0.0.1") == "127.0.0.1"


def test_a_value_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    monkeypatch.setenv("LLM_API_KEY_FILE", str(tmp_path / "key"))
    assert env.text("LLM_API_KEY") == "secret"


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LLM_API_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match=r"LLM_API_KEY_FILE names .*none, which cannot be read"):
        env.text("LLM_API_KEY")


@pytest.mark.parametrize("value", ["x", "0", "65536", "-1", "--5", "8000.5", "²", "1e3"])
def test_a_number_out_of_range_says_what_to_set(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PORT", value)
    with pytest.raises(ImproperlyConfigured, match=r"PORT is .*; set a whole number from 1 to 65535"):
        env.number("PORT", 8000, at_least=1, at_most=65535)


@pytest.mark.parametrize("value", ["x", "-1", "inf", "nan"])
def test_an_amount_that_is_none_says_so(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MAX_BUDGET", value)
    with pytest.raises(ImproperlyConfigured, match=r"set a number such as 2\.50"):
        env.amount("MAX_BUDGET")


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("YES", True), ("off", False), ("", True)])
def test_flags_have_the_usual_spellings(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("LLM_STREAM", value)
    assert env.flag("LLM_STREAM", default=True) is expected


@pytest.mark.parametrize(
    "value", ["example.com", "http:", "http://", "http://[::1", "ftp://x", "http://h:port/"]
)
def test_a_url_that_is_none_says_which_would_be(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LLM_BASE_URL", value)
    with pytest.raises(ImproperlyConfigured, match=r"LLM_BASE_URL is .*set a URL such as http://"):
        env.url("LLM_BASE_URL", ("http", "https"))


@pytest.mark.parametrize("value", ["https://a/b", "https://a?x=1", "https://me:secret@a", "a.example"])
def test_where_browsers_reach_it_has_no_path(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PUBLIC_URL", value)
    with pytest.raises(ImproperlyConfigured, match=r"PUBLIC_URL is .*; set") as caught:
        env.origin("PUBLIC_URL", "http://localhost")
    assert "secret" not in str(caught.value)


def test_a_slash_behind_where_browsers_reach_it_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://a.example:8443/")
    assert env.origin("PUBLIC_URL", "http://localhost") == "https://a.example:8443"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ADMIN_EMAIL", "nonsense", "ADMIN_EMAIL is 'nonsense'; set an address such as me@example.com."),
        ("LLM_MODEL", "gpt 5", "LLM_MODEL is 'gpt 5'; set one such as anthropic/claude-sonnet-4-5."),
        ("LLM_MODEL", "http://x/y", "LLM_MODEL is 'http://x/y'; set one such as anthropic/"),
    ],
)
def test_a_value_of_another_form_stops_the_start(tmp_path: Path, name: str, value: str, told: str) -> None:
    environment = {**os.environ, "OPENHANDS_HOME": str(tmp_path), name: value}
    command = [sys.executable, "manage.py", "check"]
    environment["DJANGO_SETTINGS_MODULE"] = "openhands_site.settings"
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(told)
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_url_is_quoted_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://me:secret@host/name")
    with pytest.raises(ImproperlyConfigured) as caught:
        env.url("DATABASE_URL", ("postgres",))
    assert "secret" not in str(caught.value)
