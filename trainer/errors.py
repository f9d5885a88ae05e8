"""The failure of one trial, while the sweep goes on."""

from typing import ClassVar

__all__ = ["OutOfMemory", "TrialFailed"]


class TrialFailed(RuntimeError):  # noqa: N818  (named for the state it leads to)
    """A trial that cannot be scored; the message is the reason that is stored.

    Attributes:
        kind: Kind of failure.
    """

    kind: ClassVar[str] = "not_scored"


class OutOfMemory(TrialFailed):
    """A trial for which there is not enough memory."""

    kind = "out_of_memory"
