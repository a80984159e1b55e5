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


def test_without_a_list_only_the_servers_own_image_is_allowed(settings: Settings) -> None:
    settings.SANDBOX_IMAGES = []
    assert "SANDBOX_IMAGES is empty" in describe_problem("python:3.12", takes_images=True)
    assert describe_problem("", takes_images=True) == ""


def test_sandboxes_without_images_refuse_every_one(settings: Settings) -> None:
    settings.SANDBOX_IMAGES = ["*"]
    assert "only Docker's have" in describe_problem("python:3.12", takes_images=False)
