import ctypes
import subprocess
import sys

import pytest

import trainer.allocator
from trainer.allocator import keep_freed_memory

# Page faults of a second round of blocks, after a first one was freed.
PROBE = """
import resource, runpy, sys
if sys.argv[1] == "keep" and not runpy.run_path(sys.argv[2])["keep_freed_memory"]():
    sys.exit("not glibc")
def fill():
    return [b"x" * 2**22 for _ in range(16)]
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    command = [sys.executable, "-c", PROBE, mode, trainer.allocator.__file__]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if "not glibc" in found.stderr:
        pytest.skip("needs glibc")
    return int(found.stdout)


def test_freed_memory_is_used_again() -> None:
    assert 4 * faults("keep") < faults("default")


@pytest.mark.parametrize("missing", [AttributeError, OSError, TypeError])
def test_without_glibc_nothing_happens(
    missing: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(_: object) -> None:
        raise missing

    monkeypatch.setattr(ctypes, "CDLL", absent)
    assert keep_freed_memory() is False
