import pytest
from pytest_django import Settings

from sandboxes.images import describe_problem, whole_name


@pytest.mark.parametrize(
    ("image", "whole"),
    [
        ("python", "python:latest"),
        ("python:3.12", "python:3.12"),
        ("registry.example:5000/team/tools", "registry.example:5000/team/tools:latest"),
        ("python@sha256:" + "a" * 64, "python@sha256:" + "a" * 64),
    ],
)
def test_an_image_has_a_tag(image: str, whole: str) -> None:
    assert whole_name(image) == whole


@pytest.mark.parametrize("image", ["", "python:3.12", "python", "registry.example:5000/team/tools:v1-rc.2"])
def test_what_a_pattern_allows_is_allowed(image: str, settings: Settings) -> None:
    settings.SANDBOX_IMAGES = ["python:*", "registry.example:5000/team/*"]
    assert describe_problem(image, takes_images=True) == ""


@pytest.mark.parametrize(
    "image", ["node:22", "evil.example/python:3.12", "python-evil:1", "registry.example:5000/other:1"]
)
def test_what_no_pattern_allows_is_refused_with_what_is_allowed(image: str, settings: Settings) -> None:
    settings.SANDBOX_IMAGES = ["python:*", "registry.example:5000/team/*"]
    problem = describe_problem(image, takes_images=True)
    assert "is not allowed here" in problem
    assert "python:*, registry.example:5000/team/*" in problem


@pytest.mark.parametrize(
    "image", ["Python Image", "-v /:/host", "python:3:4", "x" * 300, "python\n", "../up"]
)
def test_what_is_no_name_is_refused_even_where_all_are_allowed(image: str, settings: Settings) -> None:
    settings.SANDBOX_IMAGES = ["*"]
    assert "is no name of an image" in describe_problem(image, takes_images=True)


@pytest.mark.parametrize(
    "image",
    ["sha256:ab12", "sha256:" + "a" * 64, "sha256@sha256:" + "a" * 64, "a" * 64, "a" * 64 + ":latest"],
)
@pytest.mark.parametrize("pattern", ["*", "library/*", "sha256:*", "*:*"])
def test_the_id_of_an_image_is_no_name_whatever_a_pattern_says(
    image: str, pattern: str, settings: Settings
) -> None:
    settings.SANDBOX_IMAGES = [pattern]
    assert "is no name of an image" in describe_problem(image, takes_images=True)


@pytest.mark.parametrize("image", ["ab12", "sha256-tools:1", "acme/sha256:1", "registry.example/sha256:ab12"])
def test_what_only_looks_like_an_id_is_a_name(image: str, settings: Settings) -> None:
    """Of these an engine makes a name: it is asked for them with a tag."""
    settings.SANDBOX_IMAGES = ["*"]
    assert describe_problem(image, takes_images=True) == ""


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        ("python:*", "docker.io/library/python:3.12"),
        ("docker.io/python:*", "python:3.12"),
        ("python:*", "python@sha256:" + "a" * 64),
        ("ghcr.io/acme/*", "ghcr.io/acme/tools/deep:1"),
        ("ghcr.io/acme/*", "ghcr.io/acme/tools@sha256:" + "a" * 64),
        ("*", "anything.example:5000/of/anybody:1"),
    ],
)
def test_one_image_is_the_same_in_every_way_of_writing_it(
    pattern: str, image: str, settings: Settings
) -> None:
    settings.SANDBOX_IMAGES = [pattern]
    assert describe_problem(image, takes_images=True) == ""


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        ("python:*", "python:443/evil"),
        ("python:*", "python:443/library/python:3.12"),
        ("python*", "python.example/evil:1"),
        ("library/*", "library:443/evil:1"),
        ("python:3*", "python:3@sha256:" + "a" * 64),
        ("python", "python:3.12"),
    ],
)
def test_a_star_reaches_into_no_other_registry_and_past_no_digest(
    pattern: str, image: str, settings: Settings
) -> None:
    settings.SANDBOX_IMAGES = [pattern]
    assert "is not allowed here" in describe_problem(image, takes_images=True)


def test_without_a_list_only_the_servers_own_image_is_allowed(settings: Settings) -> None:
    settings.SANDBOX_IMAGES = []
    assert "SANDBOX_IMAGES is empty" in describe_problem("python:3.12", takes_images=True)
    assert describe_problem("", takes_images=True) == ""


def test_sandboxes_without_images_refuse_every_one(settings: Settings) -> None:
    settings.SANDBOX_IMAGES = ["*"]
    assert "only Docker's have" in describe_problem("python:3.12", takes_images=False)
