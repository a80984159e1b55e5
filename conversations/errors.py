"""What the services refuse, each with a sentence for a person."""


class RefusedError(Exception):
    """An order that cannot be carried out as it was given."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidInputError(RefusedError):
    """Something in it is wrong; `field` names what (HTTP 422)."""


class NotVisibleError(RefusedError):
    """It is not there, or not for this user (HTTP 404)."""


class ConflictError(RefusedError):
    """The same id was used for something else, or the state does not allow it (HTTP 409)."""
