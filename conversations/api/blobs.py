"""`/api/conversations/{id}/blobs/{sha256}`: bytes that an event refers to.

They come from a sandbox or a model, so a browser must never run them with our origin's rights: what is not a plain
image or text is only ever downloaded, and all of it is sandboxed.
"""

from typing import Annotated
from uuid import UUID

from django.http import HttpResponse
from ninja import Path, Router

from conversations import blobs
from conversations.api.requests import ERRORS, ApiRequest
from conversations.errors import NotVisibleError
from conversations.events import BlobRef
from conversations.models import Blob

router = Router(tags=["blobs"])
SHOWN = {
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
    "text/plain": "text/plain; charset=utf-8",
}


@router.get("/{uuid:conversation_id}/blobs/{sha256}", response={200: bytes, **ERRORS})
def read_blob(
    request: ApiRequest, conversation_id: UUID, sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
) -> HttpResponse:
    """The bytes, whole."""
    blob = Blob.objects.visible_to(request.auth).filter(conversation=conversation_id, sha256=sha256).first()
    if blob is None:
        raise NotVisibleError("There is no such blob, or it is not yours.")
    try:
        ref = BlobRef(blob=blob.sha256, media_type=blob.media_type, size=blob.size)
        data = blobs.read(conversation_id, ref)
    except FileNotFoundError:
        raise NotVisibleError("The bytes of this blob were lost from the storage.") from None
    shown = SHOWN.get(blob.media_type)
    disposition = "inline" if shown else "attachment"
    return HttpResponse(
        data,
        content_type=shown or "application/octet-stream",
        headers={
            "Content-Disposition": f'{disposition}; filename="{sha256[:12]}"',
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, max-age=86400, immutable",
        },
    )
