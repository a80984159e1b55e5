"""The settings of the tests: the memory backend, no Redis unless a test starts one, and a throw-away data folder.

They stand outside the package of the product's settings, which reads the environment when it is imported.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def _folder_for_now(prefix: str) -> str:
    folder = tempfile.mkdtemp(prefix=prefix)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


if "OPENHANDS_HOME" not in os.environ:
    os.environ["OPENHANDS_HOME"] = _folder_for_now("openhands-tests-")
os.environ.setdefault("SANDBOX_BACKEND", "memory")
# Of its own for every process that runs tests: sandboxes' users come from it, and strays under them are ended.
os.environ["OPENHANDS_INSTALLATION_ID"] = f"tests-{os.getpid()}"

from openhands_site.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
STATIC_ROOT = Path(_folder_for_now("openhands-tests-static-"))  # WhiteNoise warns where there is none
HINTS_SINK = "tests.fakes.hints.CollectingSink"
LLM_FACTORIES = {**LLM_FACTORIES, "turns": "tests.fakes.models.create"}  # noqa: F405
DATABASES["default"].setdefault("TEST", {})  # noqa: F405
if "sqlite3" in DATABASES["default"]["ENGINE"]:  # noqa: F405
    # A file, as in the product: threads then have connections of their own.
    DATABASES["default"]["TEST"]["NAME"] = str(OPENHANDS_HOME / "tests.sqlite3")  # noqa: F405
