"""What the routers share: a request whose user is known, and the responses that any operation may give."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest

from accounts.models import User
from conversations.api.schemas import ConversationOut, ErrorOut
from conversations.errors import NotVisibleError
from conversations.models import Conversation
from conversations.services import NOT_YOURS

ERRORS: dict[Any, Any] = {frozenset({401, 403, 404, 409, 413, 422, 429, 503, 507}): ErrorOut}


class ApiRequest(HttpRequest):
    """After authentication: `auth` is the user, by key or by session."""

    auth: User


def find(request: ApiRequest, conversation_id: UUID) -> Conversation:
    """Raises NotVisibleError where the user has no such conversation."""
    visible = Conversation.objects.visible_to(request.auth).select_related("sandbox")
    try:
        return visible.get(pk=conversation_id)
    except Conversation.DoesNotExist:
        raise NotVisibleError(NOT_YOURS) from None


def present(request: HttpRequest, conversation: Conversation) -> ConversationOut:
    url = conversation.get_absolute_url()
    return ConversationOut(
        id=conversation.pk,
        title=conversation.title,
        agent_state=conversation.agent_state,
        sandbox_state=conversation.sandbox.state if conversation.sandbox else None,
        last_sequence=conversation.last_sequence,
        url=request.build_absolute_uri(url),
        events_url=request.build_absolute_uri(f"/api{url}events".replace("//", "/")),
    )
