"""Progress of a long computation, told to whoever asks for it."""

from collections.abc import Callable

__all__ = ["Progress", "ignore_progress"]

# Gets the share done, in (0, 1], from time to time.
Progress = Callable[[float], None]


def ignore_progress(_share: float) -> None:
    """Take no notice of progress."""
