"""Exported knees on the test classes, beside their controls and the paper's default.

``python -m benchmarks.confirmed [SPEC.yaml ...] [--losses NAME ...] [--seeds N] [--json FILE]``
carries out a sweep of each spec (the demo's) with each of these base losses alone, confirms its
knee under fresh paired seeds, and prints what the test classes say: differences with 95 %
intervals, and in how many of the sweeps the knee keeps what it promises.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Final

from benchmarks.results import write_figures
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
        number: The knee.
        is_default: Whether the knee is the paper's default; then there is no pair with that.
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
    is_default: bool
    role: str
    objective: str
    mine: float
    others: float
    difference: float
    low: float | None
    high: float | None
    gain: float
    sure: int

    def __str__(self) -> str:
        between = "unknown" if self.low is None else f"[{self.low:+.2g}, {self.high:+.2g}]"
        return (
            f"{self.spec}, {self.loss}: knee {self.number} against the {self.role}, "
            f"{self.objective}: {self.mine:.4g} and {self.others:.4g}, difference "
            f"{self.difference:+.2g} {between}"
        )


def confirmed(spec: SweepSpec, loss: str, *, seeds: int) -> Iterator[Confirmed]:
    """Carry out a sweep with one base loss, confirm its knee, and yield what test classes say."""
    plain = spec.model_dump(mode="json")
    spec = SweepSpec.model_validate({**plain, "space": {**plain["space"], "loss": [loss]}})
    with tempfile.TemporaryDirectory() as folder:
        home = Home(path=Path(folder))
        knee = run_sweep(spec, home=home).ranked.knee_trial
        if knee is None:
            return
        ranked = confirm_sweep(spec.name, pick=[KNEE], seeds=seeds, home=home).ranked
    for pair in ranked.confirmed.get(knee.number, ()):
        for objective in ranked.objectives:
            found = pair.differences[objective.name]
            yield Confirmed(
                spec=spec.name,
                loss=loss,
                number=knee.number,
                is_default=knee.default,
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


def _kept(held: Sequence[Confirmed]) -> dict[str, bool]:
    """Return which promises a knee keeps, from all that the test classes say of it."""
    control = [each for each in held if each.role == "control"]
    default = [each for each in held if each.role == "default"]
    itself = any(each.is_default for each in held)
    return {
        "better than the control in OPIS": any(
            each.gain > 0 for each in control if each.objective == "opis"
        ),
        "not worse than the control beyond noise": bool(control)
        and all(each.sure >= 0 for each in control),
        "not dominated by the default": itself or any(each.gain > 0 for each in default),
        "better than the default beyond noise": any(each.sure > 0 for each in default),
        "the default itself": itself,
    }


def main() -> None:
    """Print what the test classes say, and the figures that it comes to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("specs", type=Path, nargs="*", default=[_DEMO])
    parser.add_argument("--losses", nargs="+", default=_LOSSES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=None, help="also write the figures here")
    given = parser.parse_args()
    found: list[Confirmed] = []
    figures: Counter[str] = Counter()
    for path, loss in product(given.specs, given.losses):
        held = list(confirmed(load_spec(path), loss, seeds=given.seeds))
        for each in held:
            print(each, flush=True)
        found += held
        figures.update(["sweeps", *(name for name, is_kept in _kept(held).items() if is_kept)])
    for name, value in figures.items():
        print(f"{name}: {value}")
    if given.json is not None:
        document = {"figures": figures, "confirmed": [asdict(each) for each in found]}
        write_figures(given.json, "Knees on the test classes", document)


if __name__ == "__main__":
    main()
