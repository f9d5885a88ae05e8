"""Sweeps renamed and deleted, where their record, their files and their runs in MLflow are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sweeps.execution.management
from objectives import InputError
from sweeps import (
    Home,
    SweepCallback,
    SweepSpec,
    archive_sweep,
    delete_sweep,
    rename_sweep,
    replay_sweep,
    resume_sweep,
    run_sweep,
)
from sweeps.execution.lease import Lease
from sweeps.store import Store, SweepState, open_store
from sweeps.tracking import EXPERIMENT
from sweeps.tracking.client import open_client

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

FOLDERS = ("fronts", "models", "checkpoints", "ray")
SPEC: dict[str, Any] = {
    "name": "fake",
    "workload": "simulated",
    "space": {"trade": {"low": 0.1, "high": 1}},
    "trial": {"last_epoch": 2},
    "seeds": 1,
    "budget": {"trials": 3, "reports": 0, "max_concurrent": 1},
}
GONE = "http://me:S3cret@127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Give a home of two sweeps, each with a file in every folder, and no MLflow."""
    home = Home(path=tmp_path / "home")
    with Store.open(home.store_url) as store:
        for name in ("fake", "other"):
            spec = SweepSpec.model_validate(SPEC | {"name": name})
            pair = spec.objective_records()
            store.create_sweep(
                name, spec=spec.model_dump(mode="json"), provenance={}, objectives=pair
            )
            store.finish_sweep(name, SweepState.PAUSED)
            for folder in home.folders(name):
                folder.mkdir(parents=True)
                (folder / "0000-0.pt").write_text(name)
    return home


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with open_store(home.store_url) as opened:
        yield opened


def there(home: Home) -> set[str]:
    """Every file of a sweep's own, with the sweep that it was written for."""
    return {
        f"{file.parent.relative_to(home.path)} {file.read_text()}"
        for file in home.path.glob("*/*/*.pt")
    }


def files(*names: str, of: str | None = None) -> set[str]:
    return {f"{folder}/{name} {of or name}" for folder in FOLDERS for name in names}


def drive(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another process carry the sweep out, that gives signs of life; nobody waits for it."""
    assert store.take_sweep("fake", "elsewhere:12", instead_of=store.sweep("fake"))
    defaults = Lease.take.__func__.__kwdefaults__  # type: ignore[attr-defined]
    monkeypatch.setitem(defaults, "wait", lambda _: store.renew_driver("fake", "elsewhere:12"))


# Archived


def test_a_sweep_is_archived_while_it_runs(
    home: Home, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive(store, monkeypatch)
    archive_sweep("fake", home=home)
    assert store.sweep("fake").archived_at is not None
    archive_sweep("fake", undo=True, store_url=home.store_url)
    assert store.sweep("fake").archived_at is None
    assert store.sweep("fake").driver == "elsewhere:12"
    with pytest.raises(InputError, match="no sweep called 'tony'"):
        archive_sweep("tony", home=home)


# Deleted


def test_all_of_a_deleted_sweep_goes_and_nothing_of_another(home: Home, store: Store) -> None:
    (home.cache / "fake").mkdir(parents=True)
    assert delete_sweep("fake", home=home) is None
    assert [sweep.name for sweep in store.sweeps()] == ["other"]
    assert there(home) == files("other")
    assert {path.name for path in home.path.iterdir()} >= {"cache", *FOLDERS}
    assert (home.cache / "fake").exists()
    assert not (home.path / "mlflow.db").exists()


@pytest.mark.parametrize("name", ["..", ".", "", "/", "../fronts/other", "other/"])
def test_a_name_that_leads_elsewhere_deletes_no_folder(home: Home, store: Store, name: str) -> None:
    before = there(home)
    assert home.folders(name) == ()
    store.create_sweep(name, spec={}, provenance={})
    assert delete_sweep(name, home=home) is None
    assert there(home) == before
    assert [sweep.name for sweep in store.sweeps()] == ["fake", "other"]


def test_what_another_process_carries_out_stays(
    home: Home, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive(store, monkeypatch)
    for change in (delete_sweep, lambda name, home: rename_sweep(name, "better", home=home)):
        with pytest.raises(InputError, match="fake is being carried out by another process"):
            change("fake", home=home)
    assert [sweep.name for sweep in store.sweeps()] == ["fake", "other"]
    assert store.sweep("fake").driver == "elsewhere:12"
    assert there(home) == files("fake", "other")


def test_what_was_taken_over_meanwhile_stays(
    home: Home, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lease, "_renewed", lambda _: False)
    for change in (delete_sweep, lambda name, home: rename_sweep(name, "better", home=home)):
        with pytest.raises(InputError, match="fake was taken over by another process"):
            change("fake", home=home)
        assert store.sweep("fake").state is SweepState.PAUSED


def test_a_folder_that_cannot_be_removed_leaves_the_record(
    home: Home, store: Store, tmp_path: Path
) -> None:
    (home.ray / "fake").rename(tmp_path / "away")
    (home.ray / "fake").symlink_to(tmp_path / "away")
    with pytest.raises(InputError, match=r"ray/fake cannot be removed \(.+\)$"):
        delete_sweep("fake", home=home)
    assert store.sweep("fake").driver is None
    assert (tmp_path / "away" / "0000-0.pt").exists()
    (home.ray / "fake").unlink()
    delete_sweep("fake", home=home)
    assert there(home) == files("other")


def test_a_gone_mlflow_is_said_and_the_rest_is_done(home: Home, store: Store) -> None:
    said = delete_sweep("fake", home=home, tracking_uri=GONE)
    assert said
    assert "S3cret" not in said
    assert "\n" not in said
    said = rename_sweep("other", "better", home=home, tracking_uri=GONE)
    assert said
    assert [sweep.name for sweep in store.sweeps()] == ["better"]
    assert there(home) == files("better", of="other")


def test_an_mlflow_that_cannot_be_is_refused_at_once(home: Home) -> None:
    for change in (delete_sweep, lambda name, **to: rename_sweep(name, "better", **to)):
        with pytest.raises(InputError, match="tracking_uri"):
            change("fake", home=home, tracking_uri="odd")
    assert there(home) == files("fake", "other")


# Renamed


def test_what_was_killed_between_the_folders_and_the_record_can_be_repeated(
    home: Home, store: Store
) -> None:
    for folder in FOLDERS[:3]:
        (home.path / folder / "fake").rename(home.path / folder / "better")
    assert rename_sweep("fake", "better", home=home) is None
    assert store.sweep("better").name == "better"
    assert there(home) == files("better", of="fake") | files("other")


def test_a_renamed_sweep_takes_its_folders_with_it(home: Home, store: Store) -> None:
    assert rename_sweep("fake", "better", home=home) is None
    assert [sweep.name for sweep in store.sweeps()] == ["better", "other"]
    assert store.sweep("better").spec["name"] == "better"
    assert store.sweep("better").driver is None
    assert there(home) == files("better", of="fake") | files("other")
    front = json.loads((home.sweep("better") / "front.json").read_text())
    assert front["sweep"] == "better"
    assert not (home.path / "mlflow.db").exists()


def test_what_was_never_written_is_not_missed(home: Home, store: Store) -> None:
    store.create_sweep("new", spec={"name": "new"}, provenance={})
    assert rename_sweep("new", "newer", home=home) is None
    assert store.sweep("newer").state is SweepState.RUNNING
    assert not any(folder.exists() for folder in home.folders("newer"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("fake", "other", "a sweep called 'other' exists already: choose another name"),
        ("fake", "fake", "a sweep called 'fake' exists already: choose another name"),
        ("fake", "../x", "'../x' must begin with a letter or digit, and be up to 64 letters"),
        ("fake", "x" * 65, "must begin with a letter or digit, and be up to 64 letters"),
        ("fake", "", "'' must begin with a letter or digit"),
        ("tony", "better", "there is no sweep called 'tony'"),
        ("fake", "left", "models/left is there already: choose another name, or move it away"),
    ],
)
def test_a_bad_name_is_refused_before_anything_changes(
    home: Home, store: Store, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str
) -> None:
    monkeypatch.setattr(Lease, "take", lambda *_, **__: pytest.fail("waited"))
    home.kept("left").mkdir()
    before = store.sweeps()
    with pytest.raises(InputError) as refused:
        rename_sweep(old, new, home=home)
    assert said in str(refused.value)
    assert store.sweeps() == before
    assert there(home) == files("fake", "other")


def test_a_name_that_is_taken_meanwhile_leaves_all_as_it_was(
    home: Home, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps.execution.management, "_check_free", lambda *_: None)
    home.kept("other").rename(home.path / "away")  # what is there would be in the way
    before = store.sweeps()
    with pytest.raises(InputError):
        rename_sweep("fake", "other", home=home)
    assert store.sweeps() == before
    assert there(home) == files("fake", "other") - {"models/other other"}


def test_a_folder_that_cannot_be_moved_leaves_all_as_it_was(
    home: Home, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Path.rename

    def refusing(self: Path, target: Path) -> Path:
        if self == home.ray / "fake":
            raise PermissionError(13, "Permission denied")
        return move(self, target)

    before = store.sweeps()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refusing)
        with pytest.raises(InputError, match=r"ray/fake cannot be moved \(Permission denied\)$"):
            rename_sweep("fake", "better", home=home)
    assert store.sweeps() == before
    assert there(home) == files("fake", "other")


def test_a_sweep_whose_workload_is_gone_can_be_renamed(home: Home, store: Store) -> None:
    store.change_spec("fake", {**store.sweep("fake").spec, "workload": "no.such:thing"})
    assert rename_sweep("fake", "better", home=home) is None
    assert there(home) == files("better", of="fake") | files("other")


# With MLflow, and a real Ray


class Interrupting(SweepCallback):
    """Stops the sweep when a trial has ended."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def on_trial_event(self) -> None:
        with open_store(self._home.store_url) as store:
            if any(trial.finished_at for trial in store.trials("fake")):
                raise KeyboardInterrupt


def runs(home: Home) -> dict[str, str]:
    """What MLflow calls its runs, by id."""
    client = open_client(home.tracking_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs([experiment.experiment_id])
    return {run.info.run_id: run.info.run_name for run in found}


@pytest.mark.ray
def test_a_renamed_sweep_is_gone_on_with_and_then_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_prestart_worker_first_driver", "0")
    home = Home(path=tmp_path / "home")
    with pytest.raises(KeyboardInterrupt):
        run_sweep(SweepSpec.model_validate(SPEC), home=home, callbacks=[Interrupting(home)])
    before = runs(home)
    assert rename_sweep("fake", "better", home=home) is None
    renamed = runs(home)
    assert before.keys() <= renamed.keys()
    assert {name.partition("/")[0] for name in renamed.values()} == {"better"}
    finished = resume_sweep("better", home=home)
    assert finished.ranked.sweep == "better"
    assert len(finished.ranked.trials) == 4
    replay_sweep("better", home=home)
    assert sorted(runs(home).values()) == ["better", *(f"better/{n:04d}" for n in range(4))]
    assert renamed.items() <= runs(home).items()
    own = {folder.parent.name for folder in home.folders("better") if folder.exists()}
    assert own >= {"fronts", "ray"}
    assert not any(folder.exists() for folder in home.folders("fake"))

    assert delete_sweep("better", home=home) is None
    assert runs(home) == {}
    assert not any(folder.exists() for folder in home.folders("better"))
    with open_store(home.store_url) as store:
        assert store.sweeps() == ()
