"""The documents made from the code are those that the code makes now."""

from pathlib import Path

import pytest

import docs.generate
from docs.generate import DOCUMENTS, field_table, loss_table
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
    assert "| `horizontal_flip` | mirror half of the images | `false` |" in table
    assert field_table(DataConfig, "key").splitlines()[-1] == (
        "| `split.seed` | seed of the split | 0 |"
    )


def test_every_loss_is_listed_with_its_fields() -> None:
    table = loss_table(LOSSES)
    assert [line.split("`")[1] for line in table.splitlines()[2:]] == list(LOSSES)
    assert "| `proxy_anchor` | `proxy_anchor_margin`, `proxy_anchor_alpha` |" in table


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
