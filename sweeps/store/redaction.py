"""Redaction of what is shown of URLs: no password reaches a log, a message or a process list."""

import re
from typing import Final

__all__ = ["redacted"]

# The name of a file may hold an @, and needs no hiding: of SQLite's URLs, and of file URLs.
_SCHEME: Final = r"(?!(?:sqlite|file)[\w+]*:///)([\w+.-]+:/{2,})"
# A password may itself hold an @, so all up to the last one is hidden: of the text where it begins
# as a URL, whatever the password holds, and else of a word.
_WHOLE: Final = re.compile(rf"\A{_SCHEME}(.*)@", re.DOTALL)
# Bounded, or a long text without a blank would take the square of its length.
_USER: Final = re.compile(rf"(?<![\w+.-]){_SCHEME}([^\s'\"]{{0,1000}})@")
# What is no number where a port should be may be a password, its @ and host forgotten.
_PORT: Final = re.compile(
    r"(?<![\w+.-])([\w+.-]+:/{2,}[^\s/?#:@'\"\[]{0,1000}:)(?![^\s'\"]{0,1000}@)"
    r"(?!\d*(?:[/?#\s'\",;:)\]>]|\.(?:\s|\Z)|\Z))[^\s'\"]*"
)
# What begins with a slash or a dot is a path; of one word, or with a colon, it may be misspelt.
_WORD: Final = re.compile(r"\A(?![/.]|[\w+.-]+://)\S+@(?=\S*\Z)")
_MISSPELT: Final = re.compile(
    r"(?<![^\s'\"(])(?![/.(]|[\w+.-]+://)[^\s'\":]{0,1000}:[^\s'\"]{0,1000}@"
)
_NAMED: Final = (
    r"([?&;#][^\s=&;'\"]{0,100}(?:pass|pwd|secret|token|key|credential|auth|signature|\bsig\b|odbc_connect)"
    r"[^\s=&;'\"]{0,100}=)"
)
_PARAMETER: Final = re.compile(rf"{_NAMED}[^\s&'\"]*", re.IGNORECASE)
_PARAMETER_OF_WHOLE: Final = re.compile(rf"{_NAMED}[^&]*", re.IGNORECASE)
# As in the connection strings of libpq, and in the headers of a request.
_ASSIGNED: Final = re.compile(
    r"(?<![^\s'\"(,;?&])(\w*(?:password|passwd|pwd|secret|token)=)('[^']*'|\"[^\"]*\"|[^\s'\"&,)]+)",
    re.IGNORECASE,
)
_HEADER: Final = re.compile(
    r"((?:authorization\W+|['\"])(?:bearer|basic)\s+)[^'\"\r\n]+", re.IGNORECASE
)


def redacted(text: str) -> str:
    """Return a text with ``***`` for every password and token of the URLs in it.

    Users' names stay where a password follows them; what is no URL, but has an @, is hidden up to
    there where it may be one that is misspelt.

    Args:
        text: A URL, or what a library says that may hold some.
    """
    hidden = _WHOLE.sub(_without_password, text)
    hidden = _WORD.sub("***@", _USER.sub(_without_password, hidden))
    hidden = _MISSPELT.sub("***@", _PORT.sub(r"\1***", hidden))
    parameter = _PARAMETER_OF_WHOLE if re.match(r"[\w+.-]+:/{2,}", text) else _PARAMETER
    hidden = parameter.sub(r"\1***", hidden)
    return _HEADER.sub(r"\1***", _ASSIGNED.sub(r"\1***", hidden))


def _without_password(found: re.Match[str]) -> str:
    user, _, password = found[2].partition(":")
    return f"{found[1]}{user}:***@" if password else f"{found[1]}***@"
