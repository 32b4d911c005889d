"""A wish that was refused: nothing was changed, and the message says why and what to do."""

from django.utils.functional import Promise


class Refused(Exception):
    """Raised before anything is written. `message` is for the person; `status` is the HTTP status to answer with."""

    def __init__(self, message: str | Promise, status: int = 422) -> None:
        super().__init__(str(message))
        self.message = str(message)
        self.status = status
