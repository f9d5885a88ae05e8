"""Refusal of a bad input: one line, exit code 2, and what is at fault named."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.sweeps.cli.place import Place
from tests.sweeps.command import Command

__all__ = ["Case", "cases", "check_refused"]

# A name; the command line, given a folder in which to make what is bad; and what must be said.
Case = tuple[str, Callable[[Place], Sequence[object]], str]


def cases(given: Sequence[Case]) -> pytest.MarkDecorator:
    """Parametrise a test by ``arguments`` and ``said``."""
    values: list[Any] = [case[1:] for case in given]
    return pytest.mark.parametrize(("arguments", "said"), values, ids=[case[0] for case in given])


def check_refused(command: Command, arguments: Sequence[object], said: str) -> None:
    """Call the command and hold what it says against what it must."""
    ran = command(*arguments)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert re.fullmatch(r"error: [^\n]+\n", ran.err), ran.err
    assert ran.err[:-1].isprintable(), ran.err
    assert said in ran.err, ran.err
