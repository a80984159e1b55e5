"""What a person can do with conversations: one function per intention.

Each authorises, opens its transaction, writes through the timeline and hints on commit. All raise
`conversations.errors.RefusedError`s with a sentence for the person.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Literal
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import User
from conversations import orders, timeline
from conversations.errors import ConflictError, InvalidInputError, NotVisibleError
from conversations.events import Control, Message, TitleChanged
from conversations.llm import registry
from conversations.models import Conversation, Event
from conversations.timeline import Draft
from conversations.titles import title_from
from openhands_site import hints, redis_client
from sandboxes import services as sandboxes

MESSAGE_LIMIT = 1_000_000  # characters
TITLE_LIMIT = 200
MODEL_LIMIT = 200
STEPS_LIMIT = 100_000
ID_USED = "This client_id was used for something else; send a new UUID."
NOT_YOURS = "There is no such conversation, or it is not yours."
PersonalOrder = Literal["pause", "resume", "stop"]


def start_conversation(
    *,
    owner: User,
    text: str,
    title: str = "",
    model: str = "",
    image: str = "",
    max_steps: int | None = None,
    max_budget: Decimal | None = None,
    idempotency_key: str | None = None,
    reserved_for: UUID | None = None,
) -> Conversation:
    """A new conversation with its first message and a sandbox that is being started.

    With an `idempotency_key` the same call again returns the same conversation; with another body it raises
    ConflictError. `reserved_for` is the worker that alone works on it while it lives.
    """
    wanted = Conversation(
        owner=owner,
        title=_checked_title(title) if title.strip() else title_from(text),
        model=_checked_model(model.strip() or registry.default_name(owner)),
        image=_checked_image(image),
        max_steps=_checked_steps(max_steps),
        max_budget=_checked_budget(max_budget),
        idempotency_key=idempotency_key or None,
        reserved_for_id=reserved_for,
    )
    message = _checked_text(text)
    if problem := wanted.max_budget is not None and registry.describe_budget_problem(wanted.model):
        raise InvalidInputError(problem, field="max_budget")
    try:
        with transaction.atomic():
            wanted.sandbox = sandboxes.create_sandbox(
                owner=owner, image=wanted.image, reserved_for=reserved_for
            )
            wanted.save(force_insert=True)
            timeline.write(wanted, Draft(Message(text=message, by=owner.pk), "user"))
            sandboxes.request_start(sandbox_id=wanted.sandbox.pk)
    except IntegrityError:
        return _same_again(wanted, message)
    return Conversation.objects.select_related("sandbox").get(pk=wanted.pk)


def send_message(*, conversation_id: UUID, by: User, text: str, client_id: UUID | None = None) -> Event:
    """Says something to the agent. It resumes every resting state but `paused`, and a running agent reads it next."""
    message = Message(text=_checked_text(text), by=by.pk)
    with _saying(client_id):
        conversation = _locked(conversation_id, by)
        if earlier := _sent_before(conversation, client_id, message):
            return earlier
        draft = Draft(message, "user", id=client_id) if client_id else Draft(message, "user")
        return timeline.write(conversation, draft, wake=conversation.agent_state != "paused")[0]


def give_order(
    *, conversation_id: UUID, by: User, order: PersonalOrder, client_id: UUID | None = None
) -> Event:
    """Pauses, resumes or stops the agent. Where no live worker holds the conversation it takes effect at once,
    else the worker carries it out: a stop within a second, a pause after the current action."""
    control = Control(order=order, by=by.pk, client_id=client_id)
    with _saying(client_id):
        conversation = _locked(conversation_id, by)
        if earlier := _sent_before(conversation, client_id, control):
            return earlier
        draft = Draft(control, "user", id=client_id) if client_id else Draft(control, "user")
        return orders.record(conversation, draft)


def stop_as_operator(*, conversation_id: UUID, operator: User) -> Event:
    """Stops anybody's agent; the log says who did it. Whether `operator` may is the admin's to have asked."""
    if not operator.is_staff:
        raise NotVisibleError(NOT_YOURS)
    with transaction.atomic():
        try:
            conversation = timeline.lock(conversation_id)
        except Conversation.DoesNotExist:
            raise NotVisibleError(NOT_YOURS) from None
        return orders.record(conversation, Draft(Control(order="stop", by=operator.pk), "user"))


def rename_conversation(*, conversation_id: UUID, by: User, title: str) -> Event:
    changed = TitleChanged(title=_checked_title(title), by=by.pk)
    with transaction.atomic():
        return timeline.write(_locked(conversation_id, by), Draft(changed, "user"))[0]


def delete_conversation(*, conversation_id: UUID, by: User) -> None:
    """Removes the conversation, its log and, where no other uses it, its sandbox. A running agent loses its lease."""
    with transaction.atomic():
        conversation = _locked(conversation_id, by)
        sandbox_id = conversation.sandbox_id
        conversation.delete()
        channel = redis_client.events_channel(conversation_id)
        transaction.on_commit(lambda: hints.publish(channel, "{}"))  # whoever watches finds it gone
        if sandbox_id and not Conversation.objects.filter(sandbox_id=sandbox_id).exists():
            sandboxes.request_removal(sandbox_id=sandbox_id)


def _locked(conversation_id: UUID, by: User) -> Conversation:
    try:
        return Conversation.objects.visible_to(by).select_for_update().get(pk=conversation_id)
    except Conversation.DoesNotExist:
        raise NotVisibleError(NOT_YOURS) from None


@contextmanager
def _saying(client_id: UUID | None) -> Iterator[None]:
    """A transaction in which `client_id` becomes an event's id, unless another conversation's takes it meanwhile."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        if client_id is None:
            raise
        raise ConflictError(ID_USED, field="client_id") from None


def _sent_before(
    conversation: Conversation, client_id: UUID | None, payload: Message | Control
) -> Event | None:
    """The event that `client_id` already made; ConflictError where it made something else."""
    earlier = Event.objects.filter(pk=client_id).first() if client_id else None
    if earlier is None:
        return None
    if earlier.conversation_id == conversation.pk and timeline.same_payload(earlier, payload):
        return earlier
    raise ConflictError(ID_USED, field="client_id")


def _same_again(wanted: Conversation, message: str) -> Conversation:
    earlier = Conversation.objects.select_related("sandbox").get(
        owner=wanted.owner, idempotency_key=wanted.idempotency_key
    )
    names = ["model", "image", "max_steps", "max_budget"]
    if not Event.objects.filter(conversation=earlier, kind="title_changed").exists():
        names.append("title")  # once renamed, nobody knows what it was called at first
    same = all(getattr(earlier, name) == getattr(wanted, name) for name in names)
    first = Event.objects.get(conversation=earlier, sequence=1)
    if same and timeline.same_payload(first, Message(text=message, by=wanted.owner.pk)):
        return earlier
    raise ConflictError("This Idempotency-Key was used for another conversation; send a new one.")


def _checked_text(text: str) -> str:
    text = text.replace(
        "\r\n", "\n"
    )  # a form sends lines so; a shell would take the \r for a part of the command
    if not text.strip():
        raise InvalidInputError("The message is empty: say what the agent should do.", field="text")
    if len(text) > MESSAGE_LIMIT:
        raise InvalidInputError(
            f"The message has {len(text):,} characters, {MESSAGE_LIMIT:,} fit: "
            "put long material into a file or a repository and name it.",
            field="text",
        )
    if not timeline.is_storable(text):
        raise InvalidInputError("The message holds a NUL or half a character; take it out.", field="text")
    return text


def _checked_image(image: str) -> str:
    image = image.strip()
    if problem := sandboxes.describe_image_problem(image):
        raise InvalidInputError(problem, field="image")
    return image


def _checked_title(title: str) -> str:
    title = " ".join(title.split())
    if not 1 <= len(title) <= TITLE_LIMIT or not timeline.is_storable(title):
        raise InvalidInputError(f"A title has 1 to {TITLE_LIMIT} characters.", field="title")
    return title


def _checked_model(name: str) -> str:
    if len(name) > MODEL_LIMIT:
        raise InvalidInputError(
            f"The model's name has {len(name):,} characters, {MODEL_LIMIT} fit.", field="model"
        )
    if not registry.is_a_name(name):
        raise InvalidInputError(
            f"{name!r} is no name of a model: write provider/model, such as openai/gpt-5.", field="model"
        )
    return name


def _checked_steps(max_steps: int | None) -> int:
    if max_steps is None:
        return int(settings.MAX_STEPS)
    if not 1 <= max_steps <= STEPS_LIMIT:
        raise InvalidInputError(f"max_steps is a whole number from 1 to {STEPS_LIMIT:,}.", field="max_steps")
    return max_steps


def _checked_budget(max_budget: Decimal | None) -> Decimal | None:
    if max_budget is None:
        return None if settings.MAX_BUDGET is None else Decimal(str(settings.MAX_BUDGET))
    if not Decimal("0.0001") <= max_budget < Decimal(10**8):
        raise InvalidInputError("max_budget is an amount in US dollars from 0.0001.", field="max_budget")
    return max_budget.quantize(Decimal("0.0001"))
