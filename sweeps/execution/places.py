"""Places of a sweep: where its record, its mirror, its files and its trials are."""

from dataclasses import dataclass, field
from pathlib import Path

from sweeps.execution.cluster import check_address
from sweeps.execution.slots import Slots
from sweeps.home import Home
from sweeps.spec import SweepSpec
from sweeps.tracking import check_tracking_uri

__all__ = ["Places"]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Places as the callers of `sweeps.run_sweep` and its like give them; None: below the home.

    Attributes:
        home: Where everything is written that has no other place; ``.sweeps`` if None.
        store: SQLAlchemy URL of the store.
        tracking: MLflow's URI.
        address: A Ray cluster's address; None: a local Ray is started.
        cache: Folder of decoded data.

    Raises:
        InputError: Nothing listens at the address, or MLflow cannot be at that URI.
    """

    home: Home | None = None
    store: str | None = None
    tracking: str | None = None
    address: str | None = None
    cache: Path | None = None
    root: Home = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.home or Home())
        check_address(self.address)
        check_tracking_uri(self.tracking_uri)

    @property
    def store_url(self) -> str:
        """URL of the store."""
        return self.store or self.root.store_url

    @property
    def tracking_uri(self) -> str:
        """URI of MLflow."""
        return self.tracking or self.root.tracking_uri

    @property
    def decoded(self) -> Path:
        """Folder of decoded data."""
        return (self.cache or self.root.cache).absolute()

    @property
    def is_here(self) -> bool:
        """Whether trials run on this machine."""
        return self.address in (None, "local")

    def slots(self, spec: SweepSpec) -> Slots:
        """Return how many trials there may be at a time."""
        return Slots(spec.resources, spec.budget, grows=not self.is_here)
