"""The spec of a sweep: what a user writes in YAML, typed and checked."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from objectives import (
    DEFAULT_OBJECTIVES,
    Calibration,
    InputError,
    Objective,
    get_objective,
    objective_pair,
)
from sweeps.parameters import Parameter
from sweeps.space import SearchSpace
from trainer import DataConfig, one_sentence

__all__ = ["Budget", "Resources", "SweepSpec", "load_spec", "rename"]


def _usable_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
        raise ValueError(
            f"{value!r} must begin with a letter or digit, and be up to 64 letters, digits, "
            "dots, underscores and hyphens"
        )
    return value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Budget(_Section):
    """How much is tried.

    Attributes:
        trials: Sampled trials; the controls, one for each base loss, come on top.
        max_concurrent: Most trials at a time; as many as the resources allow if None.
    """

    trials: Annotated[int, Field(ge=1)]
    max_concurrent: Annotated[int, Field(ge=1)] | None = None


class Resources(_Section):
    """What one trial holds.

    Attributes:
        cpu: CPUs; a trial computes with as many threads.
        gpu: GPUs, fractions allowed; with 0 the trial trains on the CPU.
    """

    cpu: Annotated[int, Field(ge=1)] = 1
    gpu: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @model_validator(mode="after")
    def _whole_above_one(self) -> "Resources":
        if self.gpu > 1 and self.gpu % 1:
            raise InputError(f"gpu ({self.gpu:g}) must be a whole number where it exceeds 1")
        return self


class SweepSpec(_Section):
    """A sweep: the data, what is sampled, what is fixed, and how much is tried.

    Attributes:
        name: Unique within a store; letters, digits, ``.``, ``_`` and ``-``.
        data: The images and their class-disjoint split.
        objectives: Names of two metrics (see `objectives.OBJECTIVES`).
        reference: The hypervolume's reference point, by objective; by default the worst value that
            each can take, beside which small differences of the second hardly count.
        space: Sampled fields of `trainer.TrialConfig`: a list of choices, or a range.
        trial: Fixed fields of `trainer.TrialConfig`.
        scoring: Calibration range of the consistency metrics.
        budget: Number of trials.
        resources: What one trial holds.
        sampler: Optuna's multi-objective TPE or NSGA-II, or random search.
        seed: Seed of the sampler.

    Raises:
        pydantic.ValidationError: A key is unknown, or a value does not fit.
    """

    name: Annotated[str, AfterValidator(_usable_name)]
    data: DataConfig
    objectives: tuple[str, str] = DEFAULT_OBJECTIVES
    reference: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = {}
    space: dict[str, Parameter]
    trial: dict[str, Any] = {}
    scoring: Calibration = Calibration()
    budget: Budget
    resources: Resources = Resources()
    sampler: Literal["tpe", "nsgaii", "random"] = "tpe"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0  # what numpy takes

    @model_validator(mode="after")
    def _check(self) -> "SweepSpec":
        if len({get_objective(name).name for name in self.objectives}) < 2:
            raise InputError(f"objectives: {self.objectives[0]!r} is named twice")
        unknown = [name for name in self.reference if name not in self.objectives]
        if unknown:
            raise InputError(f"reference.{unknown[0]}: is not among the objectives")
        if not self.space:
            raise InputError("space: there is nothing to sample")
        self.search_space()
        return self

    def search_space(self) -> SearchSpace:
        """Return the space that these sections describe."""
        return SearchSpace(self.space, self.trial)

    def objective_records(self) -> tuple[Objective, Objective]:
        """Return the two objectives."""
        return objective_pair(self.objectives, self.reference)


def load_spec(path: Path) -> SweepSpec:
    """Read a spec from a YAML file; relative data paths are taken from the file's folder.

    Raises:
        InputError: The file cannot be read, is no YAML mapping, or is not a valid spec.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(f"{path}: is not valid YAML (line {line}: {error.problem})") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: is not valid YAML ({reason})") from None
    if not isinstance(raw, dict):
        raise InputError(f"{path}: a spec is a mapping with the keys name, data, space, budget")
    _anchor_paths(raw, path.resolve().parent)
    try:
        return SweepSpec.model_validate(raw)
    except ValidationError as error:
        raise InputError(f"{path}: {one_sentence(error)}") from None


def rename(spec: SweepSpec, name: str) -> SweepSpec:
    """Return the spec under another name.

    Raises:
        InputError: The name has other characters than a name may have.
    """
    try:
        return SweepSpec.model_validate(spec.model_dump() | {"name": name})
    except ValidationError as error:
        raise InputError(f"--name: {one_sentence(error)}") from None


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, where YAML lets the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set[str]()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {name!r} is there twice", problem_mark=key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def _anchor_paths(raw: dict[str, Any], folder: Path) -> None:
    data = raw.get("data")
    if isinstance(data, dict):
        for key in ("folder", "table"):
            if isinstance(data.get(key), str):
                data[key] = str(folder / Path(data[key]).expanduser())
