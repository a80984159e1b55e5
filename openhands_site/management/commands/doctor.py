"""Checks what the product stands on, a line each: what is well, or what to do about it."""

from collections.abc import Callable
from typing import Any

from django.core.management import BaseCommand, CommandError

from openhands_site import doctor


class Command(BaseCommand):
    help = "Checks database, Redis, workers, sandboxes and model; exits 1 where something is wrong."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        failed = [name for name, question in doctor.QUESTIONS.items() if not self.ask(name, question)]
        if failed:
            raise CommandError(f"Something is wrong with: {', '.join(failed)}.")

    def ask(self, name: str, question: Callable[[], str]) -> bool:
        try:
            answer = question()
        except doctor.Problem as problem:
            self.stdout.write(f"{self.style.ERROR('wrong')}  {name:<10} {problem}")
            return False
        self.stdout.write(f"{self.style.SUCCESS('ok')}     {name:<10} {answer}")
        return True
