"""The product's settings, and the app that traces."""

from openhands_site.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.tracing"]  # noqa: F405
