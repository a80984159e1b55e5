"""The record of every model call: a row before it, settled once after it; and what a conversation has spent."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, F, Max, Q, Sum, UUIDField
from django.db.models.functions import Now

from conversations.llm import registry
from conversations.llm.base import Model, Reply, Usage
from conversations.models import LLMCall
from openhands_site.prepared import Parameter, PreparedInsert, PreparedRead, PreparedUpdate

_ESTIMATED_NOTE = "Tokens and cost are estimated from the call before."
_CHARGED = ~Q(status__in=(LLMCall.Status.OPEN, LLMCall.Status.FAILED))
_insert = PreparedInsert(
    LLMCall, "id", "conversation", "fence", "model", "route", "status", "attempts", "error"
)
_settle_open = PreparedUpdate(
    lambda: LLMCall.objects.filter(pk=Parameter("id", UUIDField()), status=LLMCall.Status.OPEN),
    "status",
    "attempts",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "cost",
    "latency_ms",
    "first_token_ms",
    "error",
    settled_at=Now(),
)
_sums = PreparedRead(
    lambda: (
        LLMCall.objects.filter(conversation_id=Parameter("conversation_id", UUIDField()))
        .values("conversation_id")
        .annotate(
            known_cost=Sum("cost"),
            unpriced=Count("pk", filter=_CHARGED & Q(cost=None)),
            prompt=Sum("prompt_tokens"),
            completion=Sum("completion_tokens"),
            calls=Count("pk"),
        )
        .values_list("known_cost", "unpriced", "prompt", "completion", "calls")
    )
)


@dataclass(frozen=True)
class Spend:
    """`cost` in US dollars adds up what is known, None where nothing is; `unpriced_calls` is how many it lacks."""

    cost: Decimal | None
    unpriced_calls: int
    prompt_tokens: int
    completion_tokens: int
    calls: int


def open_call(*, conversation_id: UUID, fence: int, model: Model) -> UUID:
    """A row for a call about to be made. Raises IntegrityError where the conversation is gone."""
    call = LLMCall(conversation_id=conversation_id, fence=fence, model=model.name, route=model.route)
    _insert.send(call)
    return call.pk


def settle_call(
    *,
    call_id: UUID,
    status: LLMCall.Status,
    reply: Reply | None = None,
    error: str = "",
    attempts: int | None = None,
) -> None:
    """Says how an open call ended, whoever says it first.

    A cancelled call is charged all the same, so without a reply its tokens are estimated, and `error` says so.
    """
    if reply is None and status == LLMCall.Status.CANCELLED:
        return _settle_by_estimate(call_id, status)
    usage = reply.usage if reply else Usage()
    return _settle(
        call_id,
        status,
        usage,
        error=error,
        attempts=reply.attempts if reply else attempts or 1,
        latency_ms=reply.latency_ms if reply else None,
        first_token_ms=reply.first_token_ms if reply else None,
    )


def settle_abandoned(conversation_id: UUID, below_fence: int) -> None:
    """Settles as estimated the calls that leases before `below_fence` left open."""
    left = LLMCall.objects.filter(
        conversation_id=conversation_id, fence__lt=below_fence, status=LLMCall.Status.OPEN
    )
    for call_id in left.values_list("pk", flat=True):
        _settle_by_estimate(call_id, LLMCall.Status.ESTIMATED)


def spend(conversation_id: UUID) -> Spend:
    """Over all calls; one that failed is taken not to have been charged."""
    found = _sums.rows(conversation_id=conversation_id)
    cost, unpriced, prompt, completion, calls = found[0] if found else (None, 0, 0, 0, 0)
    if cost is None and not unpriced:
        cost = Decimal(0)
    return Spend(cost, unpriced, prompt or 0, completion or 0, calls)


def _settle_by_estimate(call_id: UUID, status: LLMCall.Status) -> None:
    call = LLMCall.objects.filter(pk=call_id, status=LLMCall.Status.OPEN).first()
    if call is not None:
        usage = _estimate(call)
        note = "" if usage.prompt_tokens is None else _ESTIMATED_NOTE
        _settle(call_id, status, usage, error=note, attempts=1)


def _estimate(call: LLMCall) -> Usage:
    """It read at least what the longest call before it read and wrote; what it wrote itself is not known."""
    before = LLMCall.objects.filter(conversation_id=call.conversation_id, status=LLMCall.Status.DONE)
    prompt = before.aggregate(longest=Max(F("prompt_tokens") + F("completion_tokens")))["longest"]
    if prompt is None:
        return Usage()
    price = registry.price(call.model)
    return Usage(prompt, None, None, price.cost(prompt, 0) if price else None)


def _settle(
    call_id: UUID,
    status: LLMCall.Status,
    usage: Usage,
    *,
    error: str,
    attempts: int,
    latency_ms: int | None = None,
    first_token_ms: int | None = None,
) -> None:
    _settle_open.send(
        id=call_id,
        status=status,
        attempts=attempts,
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        completion_tokens=usage.completion_tokens,
        cost=usage.cost,
        latency_ms=latency_ms,
        first_token_ms=first_token_ms,
        error=error,
    )
