"""What can go wrong with accounts; each says in a sentence what to do."""


class AccountError(Exception):
    """The caller's to mend; trying again does not help."""


class UnknownUserError(AccountError):
    def __init__(self, email: str) -> None:
        super().__init__(f"There is no active account with the e-mail address {email}.")


class NoAdministratorError(AccountError):
    def __init__(self, email: str) -> None:
        super().__init__(
            f"There is no active administrator, and ADMIN_EMAIL names {email}, an account that is none or is "
            "deactivated. Set ADMIN_EMAIL to another address, or run `manage.py createsuperuser`."
        )
