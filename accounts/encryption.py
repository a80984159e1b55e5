"""Encryption of what the database must not hold in clear: Fernet under several keys, the newest first."""

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class UndecryptableError(Exception):
    """The text was encrypted under a key that OPENHANDS_SECRET_KEYS does not hold (any more)."""

    def __init__(self) -> None:
        super().__init__(
            "a stored secret cannot be decrypted; add the key it was encrypted under to OPENHANDS_SECRET_KEYS, "
            "or enter the secret anew"
        )


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(text: str) -> str:
    return _fernet(tuple(settings.SECRET_KEYS)).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    try:
        return _fernet(tuple(settings.SECRET_KEYS)).decrypt(token).decode()
    except InvalidToken as error:
        raise UndecryptableError from error


def is_under_newest_key(token: str) -> bool:
    try:
        _fernet((settings.SECRET_KEYS[0],)).decrypt(token)
    except InvalidToken:
        return False
    return True


def rotate(token: str) -> str:
    """The same text under the newest key."""
    try:
        return _fernet(tuple(settings.SECRET_KEYS)).rotate(token).decode()
    except InvalidToken as error:
        raise UndecryptableError from error
