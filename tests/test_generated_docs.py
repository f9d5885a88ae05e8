"""The documents made from the code are those that the code makes now."""

import re
from pathlib import Path

import pytest

import docs.generate
from docs.commands import command_reference
from docs.generate import DOCUMENTS, field_table, loss_table
from docs.rooms import PACKAGES, floors, modules, room_imports
from docs.rooms_picture import svg
from sweeps.cli import app
from trainer import DataConfig, TrialConfig
from trainer.losses import LOSSES


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_documents_are_up_to_date(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == DOCUMENTS[file](), "run python -m docs.generate"


def test_every_field_is_explained_with_its_default() -> None:
    table = field_table(TrialConfig, "field").splitlines()
    assert len(table) == 2 + len(TrialConfig.model_fields)
    assert all(field.description for field in TrialConfig.model_fields.values())
    assert "| `proxy_anchor_alpha` | scale | 32 |" in table
    assert (
        "| `horizontal_flip` | mirror half of the images, where they are augmented | `false` |"
        in table
    )
    assert field_table(DataConfig, "key").splitlines()[-1] == (
        "| `split.seed` | seed of the split | 0 |"
    )


def test_every_loss_is_listed_with_its_fields() -> None:
    table = loss_table(LOSSES)
    assert [line.split("`")[1] for line in table.splitlines()[2:]] == list(LOSSES)
    assert "| `proxy_anchor` | `proxy_anchor_margin`, `proxy_anchor_alpha` |" in table


@pytest.mark.parametrize("columns", ["30", "300"])
def test_every_command_is_described_at_any_width(
    columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    reference = command_reference(app)
    assert {"run", "ui"} < {*re.findall(r"^## `sweeps ([a-z]+)`$", reference, re.MULTILINE)}
    assert "| `--version` | Show the version and exit. |  |  |" in reference
    assert "sweeps score [OPTIONS] FILE [LABELS.npy]" in reference
    home = "| `--home PATH` | Folder of everything that sweeps write. | `SWEEPS_HOME` | `.sweeps` |"
    assert home in reference
    assert "| `-o, --output PATH` | The YAML file to write. |  | required |" in reference


def test_the_picture_shows_every_room_and_its_libraries() -> None:
    picture = svg()
    for rooms in floors(room_imports("sweeps")):
        assert all(f">{room.removeprefix('sweeps/')}</text>" in picture for room in rooms)
    for room, shown in re.findall(r">([a-z/]+)</text><text[^>]*>([^<]+)</text>", picture):
        folder = room if room.split("/")[0] in PACKAGES else f"sweeps/{room}"
        inside = [each for each in modules() if each.path.as_posix().startswith(f"{folder}/")]
        found = {found.top for module in inside for found in module.imports()}
        assert {"PIL" if name == "pillow" else name for name in shown.split(", ")} <= found


@pytest.mark.parametrize("arguments", [["--check"], []])
def test_a_stale_document_is_found_and_written(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "a.md"
    file.write_text("old")
    monkeypatch.setattr(docs.generate, "DOCUMENTS", {file: lambda: "new"})
    monkeypatch.setattr("sys.argv", ["generate", *arguments])
    with pytest.raises(SystemExit) as ended:
        docs.generate.main()
    assert ended.value.code == len(arguments)
    assert file.read_text() == ("old" if arguments else "new")
    assert "a.md" in capsys.readouterr().out


def test_a_missing_mark_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spec.md").write_text("no marks")
    monkeypatch.setattr(docs.generate, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"spec\.md lacks <!-- data: .* -->"):
        docs.generate._spec()
