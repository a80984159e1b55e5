"""Checks what the product stands on, and the work at hand: a line each, what is well or what to do about it."""

from collections.abc import Callable, Iterable
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from openhands_site import doctor
from openhands_site.work import facts, mending, report


class Command(BaseCommand):
    help = (
        "Checks database, Redis, workers, sandboxes, model and the work at hand; exits 1 where something is wrong. "
        "With --verbosity 2 it lists the work that is well, too."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--mend",
            action="store_true",
            help="First free what dead workers hold, tell the workers again of what waits for long, and remove "
            "sandboxes without an owner.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["mend"]:
            self.mend()
        failed = [name for name, question in doctor.QUESTIONS.items() if not self.ask(name, question)]
        failed += self.ask_of_work(lists_all=options["verbosity"] > 1)
        if failed:
            raise CommandError(f"Something is wrong with: {', '.join(failed)}.")

    def mend(self) -> None:
        """Goes before the questions: what these find wrong then is what it could not mend."""
        mended = 0
        try:
            for sentence in mending.mend_all():
                self.stdout.write(f"{self.style.WARNING('mend  ')} {sentence}")
                mended += 1
        except DatabaseError as error:
            self.tell("mend", f"The database failed: {str(error).strip()}.", is_well=False)
        else:
            if not mended:
                self.stdout.write("There was nothing to mend.")

    def ask(self, name: str, question: Callable[[], str]) -> bool:
        try:
            return self.tell(name, question(), is_well=True)
        except doctor.Problem as problem:
            return self.tell(name, str(problem), is_well=False)

    def ask_of_work(self, *, lists_all: bool) -> list[str]:
        """Returns the questions whose answer is not well."""
        try:
            work = facts.gather()
        except DatabaseError:
            self.tell("work", "It cannot be read; see the database above.", is_well=False)
            return ["work"]
        answers = {name: question(work) for name, question in report.QUESTIONS.items()}
        for name, answer in answers.items():
            lines = answer.wrong + (answer.others if lists_all else [])
            self.tell(name, answer.sentence, lines, is_well=not answer.wrong)
        return [name for name, answer in answers.items() if answer.wrong]

    def tell(self, name: str, sentence: str, lines: Iterable[str] = (), *, is_well: bool) -> bool:
        mark = self.style.SUCCESS("ok    ") if is_well else self.style.ERROR("wrong ")
        self.stdout.write(f"{mark} {name:<10} {sentence}")
        for line in lines:
            self.stdout.write(f"{'':<17} {line}")
        return is_well
