"""What makes one installation: its id and its secret keys, made at the first start and kept in the data folder.

The id is in cookie names, container labels, Redis key and queue prefixes, so that two installations on one
machine or one Redis never touch each other's things.
"""

import contextlib
import os
import re
import uuid
from base64 import urlsafe_b64decode
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

ID_FORM = re.compile(r"[a-z0-9][a-z0-9-]{2,31}")


def identify(home: Path, configured: str) -> str:
    """The installation's id: `configured` if given, else the one kept in `home`, made where there is none."""
    if configured:
        if not ID_FORM.fullmatch(configured):
            raise ImproperlyConfigured(
                f"OPENHANDS_INSTALLATION_ID is {configured!r}; set 3 to 32 lower-case letters, digits and hyphens."
            )
        return configured
    return _kept(home / "installation_id", lambda: uuid.uuid4().hex[:12])


def secret_keys(home: Path, configured: list[str]) -> list[str]:
    """The Fernet keys, the newest first: it encrypts, all decrypt."""
    keys = configured or _kept(home / "secret_keys", lambda: Fernet.generate_key().decode()).split()
    for key in keys:
        try:
            Fernet(key)
        except ValueError as error:
            raise ImproperlyConfigured(
                "OPENHANDS_SECRET_KEYS holds something that is no key; make one with "
                "`python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`."
            ) from error
    return keys


def derive(key: str, purpose: str) -> str:
    """A secret for one purpose, from a secret key; it tells nothing of the key."""
    return blake2b(purpose.encode(), key=urlsafe_b64decode(key), digest_size=32).hexdigest()


def _kept(path: Path, make: Callable[[], str]) -> str:
    """The text in `path`; where there is none it is made, readable by us alone, once whoever asks first."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}")
            draft.touch(mode=0o600)
            draft.write_text(make() + "\n")
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
        kept = path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path} cannot be read and written ({error.strerror}); set OPENHANDS_HOME to a folder of your own."
        ) from error
    if not kept:
        raise ImproperlyConfigured(
            f"{path} is empty; bring it back from a copy, or remove it to have a new one made."
        )
    return kept
