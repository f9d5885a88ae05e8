"""Last words of a task of Ray that failed."""

from typing import Final

from objectives import InputError
from trainer import TrialFailed

__all__ = ["last_words"]

_LONGEST: Final = 500


def last_words(error: Exception) -> str:
    """Return one line on what went wrong in the task that raised what Ray hands over."""
    cause = getattr(error, "cause", None)
    if cause is None:  # Ray's own, such as of a process that died
        return " ".join(f"the process died: {error}".split())[:_LONGEST]
    said = str(cause).strip().partition("\n")[0]
    known = isinstance(cause, TrialFailed | InputError)
    return (said if known else f"{type(cause).__name__}: {said}")[:_LONGEST]
