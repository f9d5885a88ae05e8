"""Redaction of what is shown of URLs: no password reaches a log, a message or a process list."""

import re
from typing import Final

__all__ = ["redacted"]

# A password may itself hold an @, so all up to the last one is hidden: of the text where it begins
# as a URL, whatever the password holds, and else of a word. What begins with a slash is a path.
_WHOLE: Final = re.compile(r"\A([\w+.-]+://)(?!/)(.*)@", re.DOTALL)
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
    hidden = _WHOLE.sub(_without_password, text)
    hidden = _MISSPELT.sub("***@", _USER.sub(_without_password, hidden))
    return _PARAMETER.sub(r"\1***", hidden)


def _without_password(found: re.Match[str]) -> str:
    user, colon, _ = found[2].partition(":")
    return f"{found[1]}{user}:***@" if colon else f"{found[1]}***@"
