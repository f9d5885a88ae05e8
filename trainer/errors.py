"""The failure of one trial, while the sweep goes on."""

__all__ = ["TrialFailed"]


class TrialFailed(RuntimeError):  # noqa: N818  (named for the state it leads to)
    """A trial that cannot be scored; the message is the reason that is stored."""
