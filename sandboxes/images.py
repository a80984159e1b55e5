"""Which images a user may name for a sandbox: those that SANDBOX_IMAGES allows, in one way of writing each."""

import re
from fnmatch import fnmatchcase

from django.conf import settings

# host[:port]/path:tag@digest, as engines take it.
_FORM = re.compile(
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
    """A pattern without a tag and without a star at its end is that image's `latest`."""
    return fnmatchcase(image, pattern if pattern.endswith("*") else whole_name(pattern))
