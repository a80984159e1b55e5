"""Builds the image of Docker sandboxes, and says how far it is, what it made and how large that is."""

import time
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from sandboxes.backends.docker import building, engine, images, own_image
from sandboxes.errors import SandboxError

TELL_SECONDS = 5


class Command(BaseCommand):
    help = "Builds the image of Docker sandboxes, where it is not there already."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--anew", action="store_true", help="Also where it is there.")

    def handle(self, *args: Any, anew: bool, **options: Any) -> None:
        begun = time.monotonic()
        try:
            with engine.talking() as client:
                is_there = images.find(client, images.own_image()) is not None
            if anew or not is_there:
                own_image.make(self.tell())
            with engine.talking() as client:
                size = client.inspect_image(images.own_image())["Size"] // 1_000_000
        except (SandboxError, building.BuildError) as error:
            raise CommandError(str(error)) from error
        made = f"was made in {time.monotonic() - begun:.0f} s" if anew or not is_there else "is there already"
        self.say(f"The image {images.own_image()} {made}; it has {size} MB.")

    def tell(self) -> own_image.Say:
        """Says what begins a step at once, and of the rest a line every few seconds."""
        last = 0.0

        def tell(line: str) -> None:
            nonlocal last
            is_step = line.startswith("Step ") or line.endswith("…")
            if is_step or time.monotonic() - last > TELL_SECONDS:
                last = time.monotonic()
                self.say(f"{'' if is_step else '  '}{line[:160]}")

        return tell

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
