from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from django.db import connections
from pytest_django import Settings

from accounts.models import User, UserSettings
from conversations import services
from conversations.errors import ConflictError, InvalidInputError, NotVisibleError
from conversations.llm import registry
from conversations.llm.errors import LLMError
from conversations.models import Conversation, Event
from sandboxes.models import Sandbox

pytestmark = pytest.mark.django_db


def started(owner: User, text: str = "Fix the build", **options: object) -> Conversation:
    return services.start_conversation(owner=owner, text=text, **options)  # type: ignore[arg-type]


def test_a_conversation_begins_with_its_message_and_a_sandbox_that_starts(owner: User) -> None:
    conversation = started(owner, "# Fix the build\n\nIt is red.")
    assert conversation.title == "Fix the build"
    first, queued = Event.objects.filter(conversation=conversation).order_by("sequence")
    assert (first.kind, first.payload["text"]) == ("message", "# Fix the build\n\nIt is red.")
    assert queued.payload["phase"] == "queued"
    assert conversation.sandbox is not None
    assert conversation.sandbox.due_since is not None


def test_lines_end_as_a_shell_expects_them(owner: User) -> None:
    conversation = started(owner, "```bash\r\necho hi\r\n```\r\n")
    assert (
        Event.objects.get(conversation=conversation, sequence=1).payload["text"] == "```bash\necho hi\n```\n"
    )
    assert conversation.title == "echo hi"


def test_the_same_idempotency_key_gives_the_same_conversation(owner: User) -> None:
    first = started(owner, idempotency_key="k1")
    assert started(owner, idempotency_key="k1").pk == first.pk
    assert Sandbox.objects.count() == 1
    with pytest.raises(ConflictError):
        started(owner, "Something else", idempotency_key="k1")


def test_a_retry_after_a_renaming_gives_the_same_conversation(owner: User) -> None:
    first = started(owner, title="Mine", idempotency_key="k1")
    with pytest.raises(ConflictError):
        started(owner, title="Not mine", idempotency_key="k1")
    services.rename_conversation(conversation_id=first.pk, by=owner, title="Better")
    assert started(owner, title="Mine", idempotency_key="k1").pk == first.pk
    with pytest.raises(ConflictError):
        started(owner, "Something else", title="Mine", idempotency_key="k1")


def test_another_user_may_use_the_same_idempotency_key(owner: User, teammate: User) -> None:
    assert started(owner, idempotency_key="k1").pk != started(teammate, idempotency_key="k1").pk


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"text": "  \n"}, "text"),
        ({"text": "nul \x00"}, "text"),
        ({"text": "half \ud800"}, "text"),
        ({"title": "half \udc00"}, "title"),
        ({"max_budget": Decimal("0.00001")}, "max_budget"),
        ({"text": "x" * 1_000_001}, "text"),
        ({"title": "t" * 201}, "title"),
        ({"max_steps": 0}, "max_steps"),
        ({"max_budget": Decimal("-1")}, "max_budget"),
        ({"max_budget": Decimal(1), "model": "unheard-of/model"}, "max_budget"),
    ],
)
def test_bad_input_is_refused_with_the_field_that_is_wrong(
    owner: User, options: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        started(owner, **{"text": "Fix it", **options})  # type: ignore[arg-type]
    assert refusal.value.field == field
    assert not Conversation.objects.exists()
    assert not Sandbox.objects.exists()


def test_a_model_whose_key_cannot_be_read_any_more_does_not_keep_a_task_from_being_filed(
    owner: User, settings: Settings
) -> None:
    UserSettings.objects.create(user=owner, llm_model="openai/gpt-4o", llm_api_key="sk-1")
    settings.SECRET_KEYS = [Fernet.generate_key().decode()]
    assert started(owner).model == "openai/gpt-4o"
    with pytest.raises(LLMError, match="enter it anew under Settings"):
        registry.choose(owner)


def test_a_message_sent_twice_is_one_event(owner: User) -> None:
    conversation, client_id = started(owner), uuid4()
    for _ in range(2):
        event = services.send_message(
            conversation_id=conversation.pk, by=owner, text="More", client_id=client_id
        )
        assert event.pk == client_id
    assert Event.objects.filter(kind="message").count() == 2
    with pytest.raises(ConflictError):
        services.send_message(conversation_id=conversation.pk, by=owner, text="Other", client_id=client_id)
    with pytest.raises(ConflictError):
        services.give_order(conversation_id=conversation.pk, by=owner, order="stop", client_id=client_id)


@pytest.mark.django_db(transaction=True)
def test_an_id_that_is_sent_to_two_conversations_at_once_is_one_event() -> None:
    owner = User.objects.create_user("owner@example.com")
    conversations = [started(owner), started(owner)]
    at_once = Barrier(2)

    def say(conversation: Conversation, client_id: UUID) -> object:
        try:
            at_once.wait(10)
            return services.send_message(
                conversation_id=conversation.pk, by=owner, text="More", client_id=client_id
            ).pk
        except ConflictError as error:
            return error.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        for client_id in [uuid4() for _ in range(10)]:
            said = set(pool.map(say, conversations, [client_id] * 2))
            assert said == {client_id, "conflict"}


def test_a_message_makes_work_due_but_not_while_paused(owner: User) -> None:
    conversation = started(owner)
    services.give_order(conversation_id=conversation.pk, by=owner, order="pause")
    services.send_message(conversation_id=conversation.pk, by=owner, text="More")
    conversation.refresh_from_db()
    assert conversation.due_since is None
    services.give_order(conversation_id=conversation.pk, by=owner, order="resume")
    conversation.refresh_from_db()
    assert conversation.due_since is not None


def test_a_stranger_can_do_nothing(owner: User, stranger: User) -> None:
    conversation = started(owner)
    with pytest.raises(NotVisibleError):
        services.send_message(conversation_id=conversation.pk, by=stranger, text="Hi")
    with pytest.raises(NotVisibleError):
        services.give_order(conversation_id=conversation.pk, by=stranger, order="stop")
    with pytest.raises(NotVisibleError):
        services.rename_conversation(conversation_id=conversation.pk, by=stranger, title="Mine")
    with pytest.raises(NotVisibleError):
        services.delete_conversation(conversation_id=conversation.pk, by=stranger)
    assert Event.objects.filter(conversation=conversation).count() == 2


def test_deleting_a_conversation_asks_for_its_sandbox_to_be_removed(owner: User) -> None:
    conversation = started(owner)
    services.delete_conversation(conversation_id=conversation.pk, by=owner)
    assert not Conversation.objects.exists()
    assert Sandbox.objects.get().wanted == "removed"


@pytest.mark.parametrize(
    "text, title",
    [
        ("# **Mend** the `build`:\n\nIt fails.", "Mend the build"),
        ("> - [ ] see [the issue](https://example.org/7)", "see the issue"),
        ("```bash\nmake __init__\n```", "make __init__"),
        ("__all__ is missing in a*b*c", "__all__ is missing in a*b*c"),
        ("***", "New conversation"),
        ("word " * 40, "word " * 15 + "word…"),
    ],
)
def test_a_title_is_the_first_line_without_its_marks(owner: User, text: str, title: str) -> None:
    assert services.start_conversation(owner=owner, text=text).title == title


def test_a_name_that_is_none_of_a_model_is_refused_before_anything_starts(owner: User) -> None:
    with pytest.raises(InvalidInputError) as refused:
        services.start_conversation(owner=owner, text="Go", model="gpt 5")
    assert refused.value.field == "model"
    assert not Conversation.objects.exists()


def test_a_name_of_a_model_has_at_most_200_characters(owner: User) -> None:
    longest = "openai/" + "x" * 193
    assert started(owner, model=longest).model == longest
    with pytest.raises(InvalidInputError, match="201 characters, 200 fit") as refused:
        started(owner, model=longest + "x")
    assert refused.value.field == "model"


def test_an_image_is_kept_with_the_conversation_and_its_sandbox(owner: User, settings: Settings) -> None:
    settings.SANDBOX_IMAGES = ["python:*"]
    settings.SANDBOX_BACKENDS = {"memory": "tests.sandboxes.doubles.WithImages"}
    conversation = started(owner, image=" python:3.12 ", idempotency_key="k1")
    assert conversation.sandbox is not None
    assert (conversation.image, conversation.sandbox.image) == ("python:3.12", "python:3.12")
    assert started(owner, image="python:3.12", idempotency_key="k1").pk == conversation.pk
    with pytest.raises(ConflictError):
        started(owner, image="python:3.13", idempotency_key="k1")
    with pytest.raises(InvalidInputError, match="allowed are: python:") as refused:
        started(owner, image="node:22")
    assert refused.value.field == "image"


def test_where_sandboxes_have_no_images_none_may_be_named(owner: User, settings: Settings) -> None:
    settings.SANDBOX_IMAGES = ["*"]
    with pytest.raises(InvalidInputError, match="only Docker's have"):
        started(owner, image="python:3.12")
    assert not Conversation.objects.exists()
