"""Which images a user may name for a sandbox: those that SANDBOX_IMAGES allows, in one way of writing each."""

import re
from fnmatch import fnmatchcase

from django.conf import settings

# host[:port]/path:tag@digest, as engines take it; but `sha256:` with some digits, or digits alone, are to them the id of
# an image, whatever its name.
_FORM = re.compile(
    r"(?!sha256[:@]|(?:[0-9a-f]{64})(?::|@|\Z))"
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
LONGEST = 255


def whole_name(image: str) -> str:
    """The image with its tag: `python` is `python:latest`."""
    has_tag = "@" in image or ":" in image.rpartition("/")[2]
    return image if has_tag else f"{image}:latest"


def describe_problem(image: str, *, takes_images: bool) -> str:
    """Why a sandbox may not have this image, as a sentence that says what is allowed; else an empty text."""
    if not image:
        return ""
    if not takes_images:
        return "Sandboxes of this server have no images, only Docker's have; leave the image out."
    if len(image) > LONGEST or not _FORM.fullmatch(image):
        return f"{image[:100]!r} is no name of an image; one looks like python:3.12."
    if not settings.SANDBOX_IMAGES:
        return "This server allows no image but its own (SANDBOX_IMAGES is empty); leave the image out."
    if not any(_allows(pattern, whole_name(image)) for pattern in settings.SANDBOX_IMAGES):
        return f"The image {image} is not allowed here; allowed are: {', '.join(settings.SANDBOX_IMAGES)}."
    return ""


def _allows(pattern: str, image: str) -> bool:
    """A pattern without a tag and without a star at its end is that image's `latest`; `*` alone is every image.

    Registry, path and tag are compared each for itself: a `*` for a tag says nothing of whose registry it is.
    """
    if pattern == "*":
        return True
    wanted = _parts(f"{pattern}:*" if pattern.endswith("*") and not _tag(pattern) else whole_name(pattern))
    return all(map(fnmatchcase, _parts(image), wanted))


def _parts(image: str) -> tuple[str, str, str]:
    """Registry, path and tag, told apart and filled in as an engine does: `python:3` is docker.io's library/python.

    Of a tag beside a digest an engine takes no notice, so the digest is the tag.
    """
    repository, at, digest = image.partition("@")
    tag = _tag(repository)
    registry, slash, path = repository.removesuffix(f":{tag}").partition("/")
    is_registry = set(registry) & set(".:") or registry != registry.lower() or registry == "localhost"
    if not (slash and is_registry):
        registry, path = "docker.io", f"{registry}{slash}{path}"
    if registry == "docker.io" and "/" not in path:
        path = f"library/{path}"
    return registry, path, at + digest or tag


def _tag(repository: str) -> str:
    return repository.rpartition("/")[2].partition(":")[2]
