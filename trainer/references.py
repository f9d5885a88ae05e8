"""Objects of the user's own code, named by a reference such as ``my_package.my_module:build``."""

import pkgutil
from typing import Any

from objectives import InputError

__all__ = ["import_object"]


def import_object(reference: str, *, field: str) -> Any:
    """Return what a reference ``module:name`` names; the name may have dots.

    Args:
        reference: The module as Python imports it, a colon, and a name in it.
        field: The field that the reference was given in, for the message.

    Raises:
        InputError: The reference has another form, there is no such module, it cannot be imported,
            or it has no such name.
    """
    module, _, name = reference.partition(":")
    if not module or not name:
        raise InputError(f"{reference!r} is not a module, a colon and a name in it", field=field)
    try:
        pkgutil.resolve_name(f"{module}:")
    except (Exception, SystemExit) as error:  # a module may do anything as it is imported
        raise InputError(f"{reference!r}: {_reason(error, module)}", field=field) from error
    try:
        return pkgutil.resolve_name(reference)
    except (AttributeError, ValueError):
        raise InputError(
            f"{reference!r}: the module {module!r} has no {name!r}", field=field
        ) from None


def _reason(error: BaseException, module: str) -> str:
    if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
        return f"there is no module {error.name!r} among those that Python can import"
    return f"the module {module!r} cannot be imported ({error})"
