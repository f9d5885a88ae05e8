"""Where a run writes: everything lies under one folder."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Home"]


@dataclass(frozen=True, kw_only=True)
class Home:
    """The folder of all that sweeps write on this machine.

    Attributes:
        path: The folder; made when something is first written.
    """

    path: Path

    @property
    def store_url(self) -> str:
        """URL of the default store."""
        return f"sqlite:///{self.path.absolute() / 'sweeps.db'}"

    @property
    def tracking_uri(self) -> str:
        """URI of the default MLflow back end."""
        return f"sqlite:///{self.path.absolute() / 'mlflow.db'}"

    @property
    def artifacts(self) -> Path:
        """Folder of MLflow's artifacts, for the default back end."""
        return self.path.absolute() / "mlflow-artifacts"

    @property
    def ray(self) -> Path:
        """Folder of what Ray Tune keeps of trials; its sessions are in its own temporary folder."""
        return self.path.absolute() / "ray"

    def sweep(self, name: str) -> Path:
        """Folder of a sweep's front and plots."""
        return self.path.absolute() / "fronts" / name
