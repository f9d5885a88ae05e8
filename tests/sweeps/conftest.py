import pytest

from .command import TINY, Command, TinySweep


@pytest.fixture(scope="session")
def command() -> Command:
    return Command()


@pytest.fixture(scope="session")
def tiny(command: Command, tmp_path_factory: pytest.TempPathFactory) -> TinySweep:
    folder = tmp_path_factory.mktemp("tiny")
    spec, margins = folder / "tiny.yaml", folder / "margins.yaml"
    spec.write_text(TINY)
    ran = command("run", spec, "--home", folder / "home", "--export", margins)
    return TinySweep(home=folder / "home", spec=spec, margins=margins, ran=ran)
