from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache_of_the_test(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SWEEPS_CACHE", str(folder))
    return folder
