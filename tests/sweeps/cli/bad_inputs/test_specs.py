"""Specs that are no specs, or ask for what cannot be."""

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from tests.sweeps.cli.place import Place
from tests.sweeps.command import Command

from .refusal import Case, cases, check_refused

Arguments = Callable[[Place], Sequence[object]]
MARGINS = {"margin_positive": {"low": 0.7, "high": 0.9}}
OF_LOSS = {"loss": ["smooth_ap", "triplet_margin"], **MARGINS}
TRIPLET = {"low": 0.1, "high": 0.3}


def text(content: str | bytes) -> Arguments:
    """Return the command of a spec of this content."""

    def arguments(place: Place) -> list[object]:
        path = place.folder / "bad.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return ["run", path]

    return arguments


def spec(**changes: Any) -> Arguments:
    """Return the command of a spec that is otherwise good."""
    return lambda place: ["run", place.spec(**changes)]


def space(**fields: Any) -> Arguments:
    """Return the command of a spec that samples these fields beside the margin."""
    return spec(space={**MARGINS, **fields}, trial={})


def trial(**fields: Any) -> Arguments:
    """Return the command of a spec that fixes these fields, small as the model else is."""
    return spec(trial={"backbone": "test_resnet", "batch_size": 16, **fields}, space=MARGINS)


def module(code: str, reference: str, *, key: str = "workload") -> Arguments:
    """Return the command of a spec that names something in a module of the user's."""

    def arguments(place: Place) -> Sequence[object]:
        place.write(f"{reference.partition(':')[0]}.py", code)
        if key == "workload":
            return ["run", place.spec(workload=reference, data=None, trial={})]
        return trial(**{key: reference})(place)

    return arguments


def weights(content: object) -> Arguments:
    """Return the command of a spec with a file of weights that holds this."""

    def arguments(place: Place) -> Sequence[object]:
        path = place.folder / "weights.pt"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        return trial(weights="weights.pt")(place)

    return arguments


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('run')",)


LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{k + 1}: &a{k + 1} [{f'*a{k},' * 10}]\n" for k in range(9))

YAML: list[Case] = [
    ("nothing", text(""), "bad.yaml: a spec is a mapping with the keys"),
    ("a list", text("- name: a"), "bad.yaml: a spec is a mapping with the keys"),
    ("no YAML", text("name: [a"), "bad.yaml: is not valid YAML (line 1: "),
    ("a picture", text(b"\x89PNG\r\n\x1a\n\0\0\0"), "bad.yaml: is not valid YAML ('utf-8' codec"),
    ("UTF-16", text("name: a".encode("utf-16")), "bad.yaml: is not valid YAML ('utf-8' codec"),
    ("a key twice", text("name: a\nname: b"), "line 2: the key 'name' is there twice"),
    ("two documents", text("name: a\n---\nname: b"), "bad.yaml: is not valid YAML (line 2: "),
    ("a billion laughs", text(LAUGHS), "there are more than 100000 values"),
    ("an alias of itself", text("name: a\nspace: &a {loss: *a}"), "line 2: a value holds itself"),
    ("an unknown alias", text("name: *a"), "line 1: found undefined alias"),
    ("a thousand lists", text("name: " + "[" * 999), "values are nested too deeply"),
    ("a Python object", text("name: !!python/object/apply:os.getcwd []"), "could not determine a"),
    (
        "a Python name",
        text("name: !!python/name:os.system"),
        "line 1: could not determine a constr",
    ),
    ("a tag of nobody's", text("name: !mine x"), "line 1: could not determine a constructor"),
    ("five thousand digits", text("seed: 1" + "0" * 5000), "bad.yaml: is not valid YAML (Exceeds"),
    ("and in base 16", text("name: a\nseed: 0x" + "f" * 5000), "bad.yaml: data: is missing"),
    ("a number as a key", text("1: 2"), "bad.yaml: "),
    ("a device without end", lambda _: ["run", "/dev/zero"], "/dev/zero: is not valid YAML (there"),
    (
        "a link to itself",
        lambda p: _loop(p),
        "loop.yaml: cannot be read (Too many levels of symbol",
    ),
    ("a name too long", lambda _: ["run", "x" * 300], "xxx: cannot be read (File name too long)"),
]
VALUES: list[Case] = [
    ("a name that is a path", spec(name="../x"), "bad.yaml: name: '../x' must begin with"),
    ("a name of dots", spec(name=".."), "bad.yaml: name: '..' must begin with"),
    ("a name of nothing", spec(name=""), "bad.yaml: name: '' must begin with"),
    ("a name of 300", spec(name="x" * 300), "bad.yaml: name: 'xxx"),
    ("a name that a terminal obeys", spec(name="a\x1b[2J"), "bad.yaml: name: 'a\\x1b[2J' must"),
    ("half a character", text('name: "a\\uD800"'), "bad.yaml: name: "),
    ("negative trials", spec(budget={"trials": -1}), "budget.trials: must be 1 or more, not -1"),
    ("infinite trials", spec(budget={"trials": float("inf")}), "bad.yaml: budget.trials: "),
    ("negative replicates", spec(budget={"trials": 1, "replicates": -1}), "budget.replicates: "),
    ("no seeds", spec(seeds=0), "bad.yaml: seeds"),
    ("a negative GPU", spec(resources={"gpu": -1}), "resources.gpu: must be 0 or more, not -1"),
    ("a GPU and a half", spec(resources={"gpu": 1.5}), "bad.yaml: resources: gpu (1.5) must be"),
    ("half a CPU", spec(resources={"cpu": 0.5}), "resources.cpu: must be a whole number, not 0.5"),
    ("reversed FARs", spec(scoring={"far_min": 0.2, "far_max": 0.1}), "bad.yaml: scoring: far_min"),
    ("reversed distances", spec(scoring={"d_min": 1, "d_max": 0.5}), "bad.yaml: scoring: d_min"),
    ("a FAR of NaN", spec(scoring={"far_min": float("nan")}), "bad.yaml: scoring: far_min (nan)"),
    ("a reference of nothing", spec(reference={"f1": 1}), "reference.f1: is not among the object"),
    (
        "a reference of NaN",
        spec(reference={"opis": float("nan")}),
        "reference.opis: must be finite",
    ),
    ("an unknown recipe", spec(recipe="x"), "bad.yaml: recipe: there is no recipe 'x'; there is "),
    ("an unknown sampler", spec(sampler="grid"), "bad.yaml: sampler: must be 'tpe', "),
    ("nothing to sample", spec(space={}), "bad.yaml: space: there is nothing to sample"),
    ("shares of more", spec(data={"folder": "x", "split": {"train": 1e9}}), "data.split.train: "),
    ("an endless image", spec(data={"name": "digits", "image_size": 10**9}), "data.image_size: "),
    ("an official set alone", spec(data={"name": "cub"}), "bad.yaml: data: cub needs root"),
]
SPACES: list[Case] = [
    ("a reversed range", space(learning_rate={"low": 1, "high": 0.1}), "space.learning_rate: low"),
    ("a range of one", space(learning_rate={"low": 1, "high": 1}), "space.learning_rate: low (1)"),
    ("an endless range", space(epochs={"low": 1, "high": 1e15}), "space.epochs: has more than"),
    (
        "to infinity",
        space(learning_rate={"low": 1, "high": float("inf")}),
        "learning_rate.high: mu",
    ),
    ("of NaN", space(learning_rate={"low": float("nan"), "high": 1}), "learning_rate.low: must be"),
    ("orders from 0", space(weight_decay={"low": 0, "high": 1, "log": True}), "a log range needs"),
    ("a large step", space(epochs={"low": 1, "high": 9, "step": 99}), "space.epochs: step (99)"),
    ("no step", space(epochs={"low": 1, "high": 9, "step": 0}), "space.epochs: step (0) must be"),
    ("half a step", space(epochs={"low": 1, "high": 2, "step": 0.5}), "space.epochs.step: must be"),
    ("no choices", space(loss=[]), "bad.yaml: space.loss: choices [] must be one or more"),
    ("a choice twice", space(epochs=[1, "1"]), "bad.yaml: space.epochs: [1, 1] must be distinct"),
    ("a range of texts", space(loss={"low": 0, "high": 1}), "bad.yaml: space.loss: "),
    ("a mapping as a choice", space(loss=[{"a": 1}]), "space.loss: must be numbers, texts, true"),
    ("millions of batches", space(batch_size={"low": 4, "high": 4e9, "step": 4}), "space.batch_si"),
    (
        "a condition on nothing",
        space(triplet_margin={**TRIPLET, "when": {"nothing": 1}}),
        "space.triplet_margin.when: 'nothing' must be in the space",
    ),
    (
        "a condition on itself",
        space(steps={"choices": [10, 20], "when": {"steps": 10}}),
        "space.steps.when: 'steps' must be in the space as a list of choices without conditions",
    ),
    (
        "a circle of conditions",
        space(
            steps={"choices": [10, 20], "when": {"views": 1}},
            views={"choices": [1, 2], "when": {"steps": 10}},
        ),
        ".when: '",
    ),
    (
        "a condition never met",
        spec(space={**OF_LOSS, "triplet_margin": {**TRIPLET, "when": {"loss": "arcface"}}}),
        "space.triplet_margin.when.loss: must be some of",
    ),
    (
        "an empty condition",
        spec(space={**OF_LOSS, "triplet_margin": {**TRIPLET, "when": {"loss": []}}}),
        "space.triplet_margin.when.loss: must be some of",
    ),
]
MODELS: list[Case] = [
    ("an unknown backbone", trial(backbone="resnet_5O"), "backbone: timm has no model 'resnet_5O'"),
    ("a backbone of nothing", trial(backbone=""), "backbone: timm has no model ''"),
    ("a path as backbone", trial(backbone="../x"), "backbone: timm has no model '../x'"),
    ("an odd backbone", trial(backbone="\x1b[31m"), "backbone: timm has no model '\\x1b[31m'"),
    ("an endless embedding", trial(embedding_dim=10**15), "embedding_dim: must be "),
    (
        "an endless batch",
        spec(trial={"batch_size": 10**9}),
        "trial.batch_size: must be 65536 or le",
    ),
    ("no such weights", trial(weights="no.pt"), "no.pt: weights: there is no such file or folder"),
    (
        "weights of long name",
        trial(weights="x" * 300),
        "weights: ",
    ),
    ("weights of nobody", trial(weights="~nobody1/x.pt"), "trial: '~nobody1/x.pt': there is no su"),
    ("pickled weights", weights(pickle.dumps(Harmful())), "weights.pt: is no file of weights that"),
    ("weights with an object", weights({"a": Harmful()}), "weights.pt: is no file of weights that"),
    ("a whole model", weights(nn.Linear(2, 2)), "weights.pt: is no file of weights that can be re"),
    ("weights of nothing", weights(b""), "weights.pt: is no file of weights that can be read"),
    ("a list as weights", weights([torch.zeros(1)]), "weights.pt: "),
    ("foreign weights", weights({"a.b": torch.zeros(1)}), "weights.pt: weights: does not fit"),
    ("no module", spec(workload="no.such:x", data=None), "workload: 'no.such:x': there is no mod"),
    ("no name in it", module("", "own1:x"), "workload: 'own1:x': the module 'own1' has no 'x'"),
    ("a broken module", module("(", "own2:x"), "the module 'own2' cannot be imported"),
    ("it raises", module("raise OSError('a\\nb')", "own3:x"), "'own3' cannot be imported (a b)"),
    ("it ends Python", module("raise SystemExit(3)", "own4:x"), "'own4' cannot be imported (3)"),
    ("no workload", module("x = 3", "own5:x"), "workload: 'own5:x' is no sweeps.Workload"),
    ("no colon", spec(workload="own"), "bad.yaml: workload: 'own' is not one of metric_learning"),
    ("two dots", spec(workload=".:."), "bad.yaml: workload: '.:.'"),
    ("a backbone raises", module("1 / 0", "own6:x", key="backbone"), "backbone: 'own6:x': the mod"),
    ("no callable", module("x = 3", "own7:x", key="backbone"), "backbone: 'own7:x' cannot be call"),
    (
        "a backbone that returns nothing",
        module("def x(**_): pass", "own8:x", key="backbone"),
        "backbone: 'own8:x' must return a torch module, not NoneType",
    ),
    (
        "a backbone that ends Python",
        module("import sys\ndef x(**_): sys.exit(1)", "own9:x", key="backbone"),
        "backbone: 'own9:x' failed (1)",
    ),
]


def _loop(place: Place) -> list[object]:
    (place.folder / "loop.yaml").symlink_to("loop.yaml")
    return ["run", "loop.yaml"]


@cases([*YAML, *VALUES, *SPACES, *MODELS])
def test_bad_specs(command: Command, place: Place, arguments: Arguments, said: str) -> None:
    check_refused(command, arguments(place), said)
