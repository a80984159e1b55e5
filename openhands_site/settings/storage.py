"""Static files and blobs."""

from openhands_site import env
from openhands_site.settings.base import DEBUG
from openhands_site.settings.home import OPENHANDS_HOME

STATIC_URL = "/static/"
STATICFILES_DIRS = [env.ROOT / "static" / "dist", env.ROOT / "static" / "img"]
STATIC_ROOT = env.ROOT / "staticfiles"
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": OPENHANDS_HOME / "blobs"},
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "openhands_site.staticfiles.StaticStorage"
    },
}
