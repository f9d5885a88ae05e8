"""Redaction of what is shown of URLs: no password reaches a log, a message or a process list."""

import re
from typing import Final

__all__ = ["redacted"]

# A password may itself hold an @, so all up to the last one of a word is hidden. What begins with a
# slash is a path.
_USER: Final = re.compile(r"([\w+.-]+://)(?!/)([^\s'\"]*)@")
_MISSPELT: Final = re.compile(r"(?<![^\s'\"(])(?![/.(]|[\w+.-]+://)[^\s'\"]*@")
_PARAMETER: Final = re.compile(
    r"([?&][^\s=&'\"]*(?:pass|pwd|secret|token|key|credential)[^\s=&'\"]*=)[^\s&'\"]*",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """Return a text with ``***`` for every password and token of the URLs in it.

    Users' names stay where a password follows them; what is no URL, but has an @, is hidden up to
    there, for it may be one that is misspelt.

    Args:
        text: A URL, or what a library says that may hold some.
    """
    hidden = _MISSPELT.sub("***@", _USER.sub(_without_password, text))
    return _PARAMETER.sub(r"\1***", hidden)


def _without_password(found: re.Match[str]) -> str:
    user, colon, _ = found[2].partition(":")
    return f"{found[1]}{user}:***@" if colon else f"{found[1]}***@"
