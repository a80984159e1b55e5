"""Puts the clocks on, in the process that runs the agent's loop."""

import sys

from django.apps import AppConfig


class TracingConfig(AppConfig):
    name = "benchmarks.tracing"

    def ready(self) -> None:
        if any(argument.startswith("agent@") for argument in sys.argv):
            from benchmarks.tracing import clocks

            clocks.put_on()
