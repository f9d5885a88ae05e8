"""Two sweeps at once on one store, each written by a process of its own."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import create_engine

from sweeps.store import Store, TrialState

ROOT = Path(__file__).parents[3]
TRIALS, EPOCHS = 30, 3

_WRITER = f"""
import sys
from functools import partial
from pathlib import Path
from sweeps.store import Store, TrialState, WriteQueue, database
url, name, mounts = sys.argv[1:]
database.choose_journal = partial(database.choose_journal, mounts=Path(mounts))
print("ready", flush=True)
sys.stdin.readline()
with Store.open(url) as store:
    queue = WriteQueue()
    store.create_sweep(name, spec={{}}, provenance={{}})
    for number in range({TRIALS}):
        queue.write(store.add_trial, name, number, config={{}}, sampled={{}}, control=False)
        queue.write(store.add_replicate, name, number, seed=0)
        for epoch in range(1, {EPOCHS} + 1):
            metrics = {{"opis": number + epoch / 10}}
            queue.write(
                store.record_measurement,
                name, number, epoch=epoch, seed=0, split="validation", metrics=metrics,
            )
        store.mark_mirrored(name, store.unmirrored(name))
        queue.write(store.finish_replicate, name, number, seed=0, state=TrialState.COMPLETE)
        queue.write(store.finish_trial, name, number, TrialState.COMPLETE)
        assert (queue.pending, queue.trouble) == (0, None), queue.trouble
"""


def write_two(url: str, mounts: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, url, name, mounts],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("birds", "cars")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert (writer.returncode, errors) == (0, "")


def assert_all_there(store: Store, name: str) -> None:
    trials, replicates = store.trials(name), store.replicates(name)
    assert [trial.number for trial in trials] == list(range(TRIALS))
    assert [each.number for each in replicates] == list(range(TRIALS))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert {each.state for each in replicates} == {TrialState.COMPLETE}
    assert [(m.number, m.epoch, m.metrics["opis"]) for m in store.measurements(name)] == [
        (number, epoch, number + epoch / 10)
        for number in range(TRIALS)
        for epoch in range(1, EPOCHS + 1)
    ]
    assert [trial.number for trial in store.unmirrored(name).trials] == [TRIALS - 1]


def test_two_sweeps_at_once(url: str, tmp_path: Path) -> None:
    write_two(url, tmp_path / "none")
    with Store.open(url, create=False) as store:
        assert {sweep.name for sweep in store.sweeps()} == {"birds", "cars"}
        for name in ("birds", "cars"):
            assert_all_there(store, name)


def test_two_sweeps_at_once_on_a_network_file_system(tmp_path: Path) -> None:
    """It is a local one that is listed as NFS: what is tested is the rollback journal."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text("22 1 0:40 / / rw - nfs4 server:/home rw\n")
    url = f"sqlite:///{tmp_path}/sweeps.db"
    write_two(url, mounts)
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
    for name in ("birds", "cars"):
        assert_all_there(Store(engine), name)
    engine.dispose()
