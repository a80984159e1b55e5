"""Keeps what signs somebody in out of the request log."""

import re
from typing import Any

from django.dispatch import receiver
from django_structlog.signals import bind_extra_request_finished_metadata, bind_extra_request_metadata

SECRET_PATH = re.compile(r"(/sign-in/|/password/reset/key/)[^/\s]+")


@receiver([bind_extra_request_metadata, bind_extra_request_finished_metadata])
def mask_secret_path(log_kwargs: dict[str, Any], **_: Any) -> None:
    log_kwargs["request"] = SECRET_PATH.sub(r"\1…", log_kwargs["request"])
