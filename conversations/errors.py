"""What the services refuse, each with a sentence for a person and the HTTP status that says the same."""


class RefusedError(Exception):
    """An order that cannot be carried out as it was given. `code` is for programs, `message` for people."""

    code = "refused"
    status = 422

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidInputError(RefusedError):
    """Something in it is wrong; `field` names what."""

    code = "invalid"


class NotVisibleError(RefusedError):
    """It is not there, or not for this user."""

    code = "not_found"
    status = 404


class ConflictError(RefusedError):
    """The same id was used for something else, or the state does not allow it."""

    code = "conflict"
    status = 409
