"""The work at hand as `manage.py doctor` tells it: a sentence a question, and below it what stands out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.humanize.templatetags.humanize import naturaltime

from conversations.at_work import ActionAtWork
from openhands_site.work.facts import LATE_AFTER, Piece, Work, WorkerAtWork

MEND = "`manage.py doctor --mend`"
LATE = f"{LATE_AFTER.total_seconds():.0f} s"


@dataclass(frozen=True)
class Answer:
    """`wrong` are lines on what is not well, and `sentence` then says what to do; `others` are lines on the rest."""

    sentence: str
    wrong: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def leases(work: Work) -> Answer:
    """Which worker holds which lease."""
    live = [each for each in work.workers if each.life == "lives"]
    dead = [each for each in work.workers if each.life != "lives" and each.holds]
    others = [line for each in live for line in _worker(each)]
    if not dead:
        held = sum(len(each.holds) for each in live)
        return Answer(f"Living workers: {len(live)}; leases that they hold: {held}.", others=others)
    return Answer(
        f"Workers without a heartbeat that hold leases: {len(dead)}. Living ones take over within seconds; where none "
        f"lives, start them (`make run`). {MEND} frees at once what dead ones hold.",
        [line for each in dead for line in _worker(each)],
        others,
    )


def due(work: Work) -> Answer:
    """What waits, and since when."""
    late = [piece for piece in work.waiting.rows if piece.is_late]
    others = [_piece(piece) for piece in work.waiting.rows if not piece.is_late]
    if not late:
        return Answer(
            f"Waiting for a worker: {work.waiting.total}, none for longer than {LATE}.", others=others
        )
    return Answer(
        f"Waiting for longer than {LATE}: {len(late)} of {work.waiting.total}. Every thread is busy (AGENT_THREADS, "
        f"BACKGROUND_THREADS), or no living worker may take them. {MEND} tells the workers again.",
        [_piece(piece) for piece in late],
        others,
    )


def actions(work: Work) -> Answer:
    """Which actions are open, and which conversations were left in the middle of something."""
    unheld = [_action(each) for each in work.actions.rows if not each.is_held]
    left = [f"{row.agent_state}, but nothing is due: “{row}” ({row.pk})" for row in work.left_behind.rows]
    others = [_action(each) for each in work.actions.rows if each.is_held]
    if not unheld and not left:
        return Answer(f"Open actions: {work.actions.total}, each held by a living worker.", others=others)
    return Answer(
        f"Open actions without a living holder: {len(unheld)}; conversations left behind: {work.left_behind.total}. "
        "A worker that takes an action's conversation joins it or records it as lost, and never runs it again. What "
        "stays so is stopped in the admin under Work at hand; a message goes on with it.",
        unheld + left,
        others,
    )


def ownerless(work: Work) -> Answer:
    """Which sandboxes have no owner, which lives no row, and which rows no life."""
    found = work.comparison
    wrong = [
        f"no conversation uses {row.pk}, {row.state}, changed {_ago(row.updated_at)}"
        for row in work.ownerless.rows
    ]
    wrong += [
        f"no row tells of {each.life.sandbox_id}, which lives ({each.backend})" for each in found.strays
    ]
    wrong += [f"the row of {each.runtime.sandbox_id} says running. {each.problem}" for each in found.losses]
    wrong += [found.problem] if found.problem else []
    if not wrong:
        return Answer("Every sandbox has an owner, and rows and lives agree.")
    return Answer(
        f"Sandboxes without an owner: {work.ownerless.total}; lives without a row: {len(found.strays)}; rows without "
        f"a life: {len(found.losses)}. {MEND} removes the first, ends the second and notes the third as missing.",
        wrong,
    )


QUESTIONS: dict[str, Callable[[Work], Answer]] = {
    "leases": leases,
    "due": due,
    "actions": actions,
    "ownerless": ownerless,
}


def _worker(each: WorkerAtWork) -> list[str]:
    first = f"{each.worker}, {each.life}, heartbeat {_ago(each.worker.last_seen)}, holds {len(each.holds) or 'nothing'}"
    return [first, *(f"  {_held(piece)}" for piece in each.holds)]


def _held(piece: Piece) -> str:
    taken = _ago(piece.row.lease_taken_at)
    return f"{piece.kind} {_name(piece)}, fence {piece.row.lease_fence}, taken {taken}"


def _piece(piece: Piece) -> str:
    due, waits = _ago(piece.row.due_since), _ago(piece.waits_since).removesuffix(" ago")
    return f"{piece.kind} {_name(piece)}, due {due}, waits for {waits}; may be taken by {piece.taken_by}"


def _name(piece: Piece) -> str:
    return piece.label if piece.label == str(piece.row.pk) else f"“{piece.label}” ({piece.row.pk})"


def _action(action: ActionAtWork) -> str:
    holder = action.conversation.lease_worker if action.is_held else "nobody who lives"
    begun = _ago(action.event.created_at)
    return f"{action.tool}: {action.summary}; begun {begun}, in “{action.conversation}”, held by {holder}"


def _ago(moment: datetime | None) -> str:
    return str(naturaltime(moment)).replace("\xa0", " ") if moment else "never"
