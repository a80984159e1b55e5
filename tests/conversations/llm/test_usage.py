from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from accounts.models import User
from conversations.llm import routing, usage
from conversations.llm.base import Reply, Usage
from conversations.llm.scripted import ScriptedModel
from conversations.models import Conversation, LLMCall

Status = LLMCall.Status


@pytest.fixture
def conversation(owner: User) -> Conversation:
    return Conversation.objects.create(owner=owner, title="A task", model="openai/gpt-4o", max_steps=10)


def opened(conversation: Conversation, fence: int = 1, name: str = "openai/gpt-4o") -> UUID:
    return usage.open_call(conversation_id=conversation.pk, fence=fence, model=ScriptedModel(name))


def reply(prompt: int = 100, completion: int = 20, cost: str | None = "0.5") -> Reply:
    used = Usage(prompt, 10, completion, None if cost is None else Decimal(cost))
    return Reply("Hello.", usage=used, attempts=2, latency_ms=900, first_token_ms=300)


def test_a_call_has_a_row_before_it_is_made(conversation: Conversation) -> None:
    call = LLMCall.objects.get(pk=opened(conversation, fence=7))
    assert (call.status, call.fence, call.model, call.cost) == (Status.OPEN, 7, "openai/gpt-4o", None)


def test_the_route_of_the_longest_name_fits_its_row(conversation: Conversation) -> None:
    longest = "x" * (Conversation._meta.get_field("model").max_length or 0)
    model = ScriptedModel(longest)
    model.route = routing.route(longest, "http://localhost:8000/v1")
    call_id = usage.open_call(conversation_id=conversation.pk, fence=1, model=model)
    call = LLMCall.objects.get(pk=call_id)
    call.full_clean()  # what PostgreSQL refuses, and SQLite takes
    assert len(call.route) > len(call.model)


def test_a_settled_call_has_what_the_reply_says(conversation: Conversation) -> None:
    call_id = opened(conversation)
    usage.settle_call(call_id=call_id, status=Status.DONE, reply=reply())
    call = LLMCall.objects.get(pk=call_id)
    assert (call.status, call.cost, call.attempts) == (Status.DONE, Decimal("0.5"), 2)
    assert (call.prompt_tokens, call.cached_tokens, call.completion_tokens) == (100, 10, 20)
    assert (call.latency_ms, call.first_token_ms) == (900, 300)
    assert call.settled_at is not None


def test_a_call_is_settled_once(conversation: Conversation) -> None:
    call_id = opened(conversation)
    usage.settle_call(call_id=call_id, status=Status.FAILED, error="Refused.", attempts=6)
    usage.settle_call(call_id=call_id, status=Status.DONE, reply=reply())
    usage.settle_call(call_id=uuid4(), status=Status.DONE, reply=reply())
    call = LLMCall.objects.get(pk=call_id)
    assert (call.status, call.error, call.attempts, call.cost) == (Status.FAILED, "Refused.", 6, None)


def test_calls_of_dead_leases_are_settled_as_estimated(conversation: Conversation) -> None:
    usage.settle_call(call_id=opened(conversation), status=Status.DONE, reply=reply(1000, 200))
    left, own = opened(conversation, fence=1), opened(conversation, fence=2)
    usage.settle_abandoned(conversation.pk, 2)
    call = LLMCall.objects.get(pk=left)
    assert (call.status, call.prompt_tokens, call.completion_tokens) == (Status.ESTIMATED, 1200, None)
    assert call.cost == Decimal("0.003")  # 1,200 tokens of gpt-4o's prompt
    assert LLMCall.objects.get(pk=own).status == Status.OPEN
    usage.settle_abandoned(conversation.pk, 2)
    assert LLMCall.objects.get(pk=left).settled_at == call.settled_at  # nothing was left to settle


def test_a_first_call_that_was_left_has_no_estimate_but_a_settled_row(conversation: Conversation) -> None:
    left = opened(conversation, fence=1)
    usage.settle_abandoned(conversation.pk, 2)
    call = LLMCall.objects.get(pk=left)
    assert (call.status, call.prompt_tokens, call.cost) == (Status.ESTIMATED, None, None)


def test_a_cancelled_call_is_estimated_and_says_so(conversation: Conversation) -> None:
    usage.settle_call(call_id=opened(conversation), status=Status.DONE, reply=reply(1000, 200))
    call_id = opened(conversation)
    usage.settle_call(call_id=call_id, status=Status.CANCELLED)
    call = LLMCall.objects.get(pk=call_id)
    assert (call.status, call.prompt_tokens, call.cost) == (Status.CANCELLED, 1200, Decimal("0.003"))
    assert "estimated" in call.error


def test_spend_adds_up_what_is_known_and_counts_what_is_not(conversation: Conversation) -> None:
    assert usage.spend(conversation.pk) == usage.Spend(Decimal(0), 0, 0, 0, 0)
    usage.settle_call(call_id=opened(conversation), status=Status.DONE, reply=reply(cost=None))
    assert usage.spend(conversation.pk) == usage.Spend(None, 1, 100, 20, 1)
    usage.settle_call(call_id=opened(conversation), status=Status.DONE, reply=reply(cost="0.25"))
    usage.settle_call(call_id=opened(conversation), status=Status.FAILED, error="Refused.")
    opened(conversation)
    assert usage.spend(conversation.pk) == usage.Spend(Decimal("0.25"), 1, 200, 40, 4)


def test_spend_is_one_conversations(conversation: Conversation, owner: User) -> None:
    other = Conversation.objects.create(owner=owner, title="Another", model="openai/gpt-4o", max_steps=10)
    usage.settle_call(call_id=opened(other), status=Status.DONE, reply=reply())
    assert usage.spend(conversation.pk).calls == 0
