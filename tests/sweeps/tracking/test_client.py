from pathlib import Path

import pytest

from sweeps.tracking.client import missing_file, open_client

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_a_database_that_is_not_there_is_made_whole(tmp_path: Path) -> None:
    file = tmp_path / "home" / "mlflow.db"
    experiment = open_client(f"sqlite:///{file}").create_experiment("birds")
    assert [path.name for path in file.parent.iterdir()] == ["mlflow.db"]
    assert open_client(f"sqlite:///{file}").get_experiment(experiment).name == "birds"


@pytest.mark.parametrize(
    ("scheme", "missing"), [("sqlite", True), ("postgresql", False), ("http", False)]
)
def test_only_a_file_can_be_missing(tmp_path: Path, scheme: str, missing: bool) -> None:
    file = tmp_path / "mlflow.db"
    assert missing_file(f"{scheme}:///{file}") == (file if missing else None)
    file.touch()
    assert missing_file(f"{scheme}:///{file}") is None


def test_of_one_that_could_not_be_made_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Path) -> None:
        raise KeyboardInterrupt

    file = tmp_path / "mlflow.db"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            open_client(f"sqlite:///{file}")
    assert list(tmp_path.iterdir()) == []
    open_client(f"sqlite:///{file}").search_experiments()
