"""The one exception for mistakes that a user can mend."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Bad input from the user: a spec, a file, a value.

    The message is one sentence that names the field or the file; the command line prints it and
    exits with code 2.
    """
