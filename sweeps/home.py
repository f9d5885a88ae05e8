"""Home of the sweeps on one machine: everything that a run writes lies under one folder."""

from dataclasses import dataclass
from pathlib import Path

from objectives import InputError

__all__ = ["Home", "kept_seeds", "run_file"]


@dataclass(frozen=True, kw_only=True)
class Home:
    """Folder of all that sweeps write on this machine.

    Attributes:
        path: The folder; made when something is first written.

    Raises:
        InputError: Databases could not be named there, or nothing could be.
    """

    path: Path = Path(".sweeps")

    def __post_init__(self) -> None:
        if "?" in str(self.path):
            raise InputError(
                f"{self.path} has a '?', which database URLs do not take", field="home"
            )
        try:
            str(self.path).encode()
            self.path.exists()
        except UnicodeEncodeError:
            raise InputError(
                f"{self.path} is not UTF-8, which database URLs are", field="home"
            ) from None
        except OSError as error:  # such as of a name too long, up to Python 3.13
            raise InputError(f"{self.path}: {error.strerror}", field="home") from None

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

    @property
    def cache(self) -> Path:
        """Folder of decoded data; other homes may share it."""
        return self.path.absolute() / "cache"

    def kept(self, name: str) -> Path:
        """Folder of the weights that the reports of a sweep, and confirming it, have left."""
        return self.path.absolute() / "models" / name

    def checkpoints(self, name: str) -> Path:
        """Folder of what the runs of a sweep that have not ended go on from."""
        return self.path.absolute() / "checkpoints" / name

    def sweep(self, name: str) -> Path:
        """Folder of a sweep's front and plots."""
        return self.path.absolute() / "fronts" / name

    def folders(self, name: str) -> tuple[Path, ...]:
        """Folders that are a sweep's own, there or not; none of a name that leads elsewhere."""
        own = (self.sweep(name), self.kept(name), self.checkpoints(name), self.ray / name)
        return tuple(folder for folder in own if folder.name == name != "..")


def run_file(folder: Path, *, number: int, seed: int) -> Path:
    """Return the file of a trial's run in a folder of weights, or of checkpoints."""
    return folder / f"{number:04d}-{seed}.pt"


def kept_seeds(folder: Path, *, number: int) -> list[int]:
    """Return the seeds of a trial's runs whose files are in a folder, ascending."""
    return sorted(int(file.stem.partition("-")[2]) for file in folder.glob(f"{number:04d}-*.pt"))
