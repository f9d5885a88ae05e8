"""Exported knees on the test classes, beside their controls and the paper's default.

``python -m benchmarks.confirmed [SPEC.yaml ...] [--losses NAME ...] [--seeds N] [--json FILE]``
carries out a sweep of each spec (the demo's) with each base loss alone, confirms its knee under
fresh paired seeds, and prints what the test classes say: differences with 95 % intervals, and in
how many of the sweeps the knee keeps what it promises.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from sweeps import Home, SweepSpec, confirm_sweep, load_spec, run_sweep
from sweeps.results import KNEE

__all__ = ["Confirmed", "main"]

_DEMO: Final = Path(__file__).parents[1] / "examples" / "demo.yaml"
_LOSSES: Final = ("smooth_ap", "proxy_anchor")


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """What the test classes say of a knee beside one that it is held against.

    Attributes:
        spec: Name of the sweep.
        loss: Its base loss.
        number: The knee; of the paper's default itself there is no pair with that.
        role: ``control`` or ``default``.
        objective: Name of the objective.
        mine: Mean of the knee.
        others: Mean of the other one.
        difference: Of the means.
        low: Lower end of its 95 % interval; None where noise is unknown.
        high: Upper end.
        gain: How much better the knee is.
        sure: +1 where it is better beyond noise, -1 where it is worse, else 0.
    """

    spec: str
    loss: str
    number: int
    role: str
    objective: str
    mine: float
    others: float
    difference: float
    low: float | None
    high: float | None
    gain: float
    sure: int


def confirmed(spec: SweepSpec, *, seeds: int) -> Iterator[Confirmed]:
    """Carry out a sweep, confirm its knee, and yield what the test classes say of it."""
    [loss] = spec.model_dump(mode="json")["space"]["loss"]
    with tempfile.TemporaryDirectory() as folder:
        home = Home(path=Path(folder))
        knee = run_sweep(spec, home=home).ranked.knee
        if knee is None:
            print(f"{spec.name}, {loss}: no member of the front keeps the limits")
            return
        ranked = confirm_sweep(spec.name, pick=[KNEE], seeds=seeds, home=home).ranked
    for pair in ranked.confirmed[knee]:
        for objective in ranked.objectives:
            found = pair.differences[objective.name]
            yield Confirmed(
                spec=spec.name,
                loss=loss,
                number=knee,
                role=pair.role,
                objective=objective.name,
                mine=pair.metrics[objective.name],
                others=pair.others[objective.name],
                difference=found.value,
                low=found.low,
                high=found.high,
                gain=-objective.sign * found.value,
                sure=found.better(objective) - found.worse(objective),
            )


def _of_one_loss(spec: SweepSpec, loss: str) -> SweepSpec:
    plain = spec.model_dump(mode="json")
    return SweepSpec.model_validate({**plain, "space": {**plain["space"], "loss": [loss]}})


def _summary(found: list[Confirmed]) -> dict[str, int]:
    """Return in how many of the sweeps the knee keeps what it promises."""
    sweeps: dict[tuple[str, str], list[Confirmed]] = {}
    for each in found:
        sweeps.setdefault((each.spec, each.loss), []).append(each)
    figures = {"sweeps": len(sweeps)}

    def count(role: str, held: list[Confirmed]) -> list[Confirmed]:
        return [each for each in held if each.role == role]

    for held in sweeps.values():
        control, default = count("control", held), count("default", held)
        for name, holds in {
            "better than the control in OPIS": any(
                each.gain > 0 for each in control if each.objective == "opis"
            ),
            "not worse than the control beyond noise": all(each.sure >= 0 for each in control),
            "not dominated by the default": not default or any(each.gain > 0 for each in default),
            "better than the default beyond noise": any(each.sure > 0 for each in default),
            "the default itself": not default,
        }.items():
            figures[name] = figures.get(name, 0) + holds
    return figures


def main() -> None:
    """Print what the test classes say, and the figures that it comes to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("specs", type=Path, nargs="*", default=[_DEMO])
    parser.add_argument("--losses", nargs="+", default=_LOSSES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=None, help="also write the figures here")
    given = parser.parse_args()
    found: list[Confirmed] = []
    for path in given.specs:
        for loss in given.losses:
            for each in confirmed(_of_one_loss(load_spec(path), loss), seeds=given.seeds):
                found.append(each)
                print(
                    f"{each.spec}, {each.loss}: knee {each.number} against the {each.role}, "
                    f"{each.objective}: {each.mine:.4g} and {each.others:.4g}, difference "
                    f"{each.difference:+.2g} [{each.low or 0:+.2g}, {each.high or 0:+.2g}]",
                    flush=True,
                )
    figures = _summary(found)
    for name, value in figures.items():
        print(f"{name}: {value}")
    if given.json is not None:
        document = {"figures": figures, "confirmed": [asdict(each) for each in found]}
        given.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
