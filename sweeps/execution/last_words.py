"""Last words of a task of Ray that failed."""

import re
from typing import Final

from objectives import InputError
from sweeps.store import redacted
from trainer import TrialFailed

__all__ = ["last_words", "last_words_in"]

_LONGEST: Final = 500


def last_words(error: Exception) -> str:
    """Return one line on what went wrong in the task that raised what Ray hands over.

    No password of a URL is in it.
    """
    cause = getattr(error, "cause", None)
    if cause is None:  # Ray's own, such as of a process that died
        return " ".join(f"the process died: {redacted(str(error))}".split())[:_LONGEST]
    said = redacted(str(cause)).strip().partition("\n")[0]
    known = isinstance(cause, TrialFailed | InputError)
    return (said if known else f"{type(cause).__name__}: {said}")[:_LONGEST]


def last_words_in(text: str) -> str:
    """Return one line on what went wrong in an actor, from the text that Ray keeps of it.

    Args:
        text: Of one failure or of several, the last one last; empty where nothing was kept.
    """
    latest = re.split(r"^Failure # \d+ .*$", text, flags=re.MULTILINE)[-1].strip("\n")
    lines = latest.splitlines()
    frames = [place for place, line in enumerate(lines) if line.startswith('  File "')]
    if frames:
        said = next((line for line in lines[frames[-1] :] if line[:1].strip()), "")
        kind, colon, message = said.partition(": ")
        return f"{kind.rpartition('.')[2]}{colon}{message}"[:_LONGEST]
    # Ray puts identifiers before it, and a list of common causes after.
    said = " ".join(latest.split())
    why = re.search(r"dead because (.*?)(?: Some common causes|$)", said)
    return f"the actor died: {why[1] if why else said}"[:_LONGEST] if said else "the actor died"
