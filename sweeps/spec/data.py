"""Data as a workload has opened them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Data"]


@dataclass(frozen=True, kw_only=True)
class Data:
    """Data as a workload has opened them.

    Attributes:
        fingerprint: The same on every machine for the same data, and for no other.
        facts: What provenance says of them, as plain JSON data.
        content: Whatever the workload trains on.
    """

    fingerprint: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    content: Any = None
