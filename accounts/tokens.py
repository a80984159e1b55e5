"""API keys and one-time tokens: how they look and what is kept of them.

Both carry 256 random bits, so one round of SHA-256 keeps them as safe as a slow password hash would: there
is nothing to guess. For the same reason the look-up needs no constant-time comparison: it compares hashes in
an index, and what its timing might tell about a hash does not help to find a token that has it.
"""

import secrets
from hashlib import sha256

KEY_MARK = "oh_"


def new_api_key() -> tuple[str, str]:
    """A key and its visible prefix: `oh_1a2b3c4d_…` and `oh_1a2b3c4d`."""
    prefix = KEY_MARK + secrets.token_hex(4)
    return f"{prefix}_{secrets.token_urlsafe(32)}", prefix


def new_token() -> str:
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    return sha256(token.encode(errors="surrogatepass")).hexdigest()
