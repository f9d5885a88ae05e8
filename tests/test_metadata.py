"""Files about the project: how to cite it, and the hook before a commit."""

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    for key in ("version", "license", "keywords"):
        assert citation[key] == project[key]
    assert citation["title"] == project["name"]
    [paper] = citation["references"]
    assert paper["identifiers"][0]["value"] == "arXiv:2307.04047"
    assert [author["family-names"] for author in paper["authors"]][0::6] == ["Zhang", "Xing"]


def test_the_hook_runs_targets_of_the_makefile() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    [hook] = hooks["repos"][0]["hooks"]
    program, *targets = hook["entry"].split()
    assert (program, targets) == ("make", ["lint", "types"])
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(f"\n{target}:" in makefile for target in targets)
