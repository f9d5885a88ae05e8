"""Spec of a sweep: what a user writes in YAML, typed and checked."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from objectives import InputError, Objective, get_objective, objective_pair
from sweeps.spec.failures import Failures
from sweeps.spec.parameters import Parameter
from sweeps.spec.relative_paths import anchored, anchored_choices
from sweeps.spec.resources import Budget, Resources, Seeds
from sweeps.spec.space import SearchSpace
from sweeps.spec.workload import Workload
from sweeps.spec.workload_names import METRIC_LEARNING, load_workload
from trainer import StrictModel, load_model

__all__ = ["SweepSpec", "load_spec", "rename", "usable_name"]


# Stand for what a spec leaves to its workload.
_ABSENT: Final = object()
_DEFAULT_PAIR: Final = ("", "")


def usable_name(name: str) -> str:
    """Return what a sweep may be called as it is.

    Raises:
        InputError: It is too long, or has other characters than a name may have.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise InputError(
            f"{name!r} must begin with a letter or digit, and be up to 64 letters, digits, "
            "dots, underscores and hyphens"
        )
    return name


class SweepSpec(StrictModel):
    """A sweep: the data, what is sampled, what is fixed, and how much is tried.

    Attributes:
        name: Unique within a store; letters, digits, ``.``, ``_`` and ``-``.
        workload: The kind of trial: ``metric_learning``, ``simulated``, or a `Workload` of your
            own as ``package.module:attribute``.
        data: What the workload opens; for metric learning a `trainer.DataConfig`, the images and
            their class-disjoint split.
        objectives: Names of two of the workload's objectives; it has a default.
        reference: The hypervolume's reference point, by objective; by default the worst value that
            each can take, beside which small differences of the second hardly count.
        recipe: One of the workload's recipes, such as published settings: it fills in what
            neither ``space`` nor ``trial`` names.
        space: Sampled fields of a trial's configuration: a list of choices, or a range.
        trial: Fixed fields of the configuration, those of the recipe among them.
        scoring: How trials are scored; for metric learning an `objectives.Calibration`.
        seeds: Training runs of each configuration, or ``auto``: one or two of each, and as many
            again where they tell most about the front.
        budget: Number of trials.
        resources: What one trial holds.
        failures: What becomes of runs that do not complete.
        sampler: Optuna's multi-objective TPE or NSGA-II, or random search.
        seed: Seed of the sampler.

    Raises:
        pydantic.ValidationError: A key is unknown, or a value does not fit.
    """

    name: Annotated[str, AfterValidator(usable_name)]
    workload: str = METRIC_LEARNING
    data: Annotated[Any, Field(validate_default=True)] = _ABSENT
    objectives: Annotated[tuple[str, str], Field(validate_default=True)] = _DEFAULT_PAIR
    reference: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    recipe: str | None = None
    space: dict[str, Parameter]
    trial: Annotated[dict[str, Any], Field(validate_default=True)] = Field(default_factory=dict)
    scoring: Annotated[Any, Field(validate_default=True)] = _ABSENT
    seeds: Seeds = "auto"
    budget: Budget
    resources: Resources = Resources()
    failures: Failures = Failures()
    sampler: Literal["tpe", "nsgaii", "random"] = "tpe"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0  # what numpy takes

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, raw: Any) -> Any:
        if not isinstance(raw, dict | SweepSpec):
            raise ValueError("a spec is a mapping with the keys name, data, space, budget")
        return raw

    @field_validator("workload", mode="after")
    @classmethod
    def _known(cls, reference: str) -> str:
        try:
            load_workload(reference)
        except InputError as error:  # which names the field, as pydantic does too
            raise ValueError(str(error).removeprefix("workload: ")) from None
        return reference

    @field_validator("data", "scoring", mode="plain")
    @classmethod
    def _as_the_workload_has_it(cls, section: Any, info: ValidationInfo) -> Any:
        if "workload" not in info.data:
            return section  # which is at fault
        model = getattr(load_workload(info.data["workload"]), str(info.field_name))
        if model is None:
            if section not in (_ABSENT, None):
                raise ValueError("this workload takes none")
            return None
        if section is _ABSENT:
            if info.field_name == "data":
                raise PydanticKnownError("missing")
            section = {}
        folder = (info.context or {}).get("folder")
        raw = section if folder is None else anchored(section, model, folder)
        return TypeAdapter(model).validate_python(raw)

    @field_validator("space", "trial", mode="before")
    @classmethod
    def _with_anchored_paths(cls, section: Any, info: ValidationInfo) -> Any:
        folder = (info.context or {}).get("folder")
        if folder is None or "workload" not in info.data or not isinstance(section, dict):
            return section
        config = load_workload(info.data["workload"]).config
        if info.field_name == "trial":
            return anchored(section, config, folder)
        return anchored_choices(section, config, folder)

    @field_validator("recipe", mode="after")
    @classmethod
    def _known_recipe(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is None or "workload" not in info.data:
            return name
        names = load_workload(info.data["workload"]).recipes
        if not names:
            raise ValueError("this workload has none")
        if name not in names:
            raise ValueError(f"there is no recipe {name!r}; there is {', '.join(names)}")
        return name

    @field_validator("trial", mode="after")
    @classmethod
    def _with_recipe(cls, fixed: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if not {"workload", "data", "recipe", "space"} <= info.data.keys():
            return fixed  # one of which is at fault
        name, sampled = info.data["recipe"], info.data["space"]
        if name is None:
            return fixed
        recipe = load_workload(info.data["workload"]).recipes[name]
        fields = recipe(info.data["data"], fixed, sampled)
        return {key: value for key, value in fields.items() if key not in sampled} | fixed

    @field_validator("objectives", mode="before")
    @classmethod
    def _default_pair(cls, names: Any, info: ValidationInfo) -> Any:
        if names == _DEFAULT_PAIR and "workload" in info.data:
            return load_workload(info.data["workload"]).objective_pair
        return names

    @model_validator(mode="after")
    def _check(self) -> "SweepSpec":
        known = self.kind.objectives
        if len({get_objective(name, among=known).name for name in self.objectives}) < 2:
            raise InputError(f"{self.objectives[0]!r} is named twice", field="objectives")
        unknown = [name for name in self.reference if name not in self.objectives]
        if unknown:
            raise InputError("is not among the objectives", field=f"reference.{unknown[0]}")
        if self.resources.gpu == "auto" and self.kind.memory is None:
            raise InputError(
                "this workload cannot foresee what a trial takes; give a number",
                field="resources.gpu",
            )
        if not self.space:
            raise InputError("there is nothing to sample", field="space")
        self.search_space()
        return self

    @property
    def kind(self) -> Workload:
        """The workload that `workload` names."""
        return load_workload(self.workload)

    def search_space(self) -> SearchSpace:
        """Return the space that these sections describe."""
        kind = self.kind
        return SearchSpace(self.space, self.trial, config=kind.config, rules=kind.rules)

    def objective_records(self) -> tuple[Objective, Objective]:
        """Return the two objectives."""
        return objective_pair(self.objectives, self.reference, among=self.kind.objectives)


def load_spec(path: Path) -> SweepSpec:
    """Read a spec from a YAML file; relative data paths are taken from the file's folder.

    Raises:
        InputError: The file cannot be read, is no YAML mapping, or is not a valid spec.
    """
    # Not resolved by Path, which up to Python 3.12 raises where links lead in a circle.
    folder = Path(os.path.realpath(path)).parent
    return load_model(path, SweepSpec, context={"folder": folder})


def rename(spec: SweepSpec, name: str) -> SweepSpec:
    """Return the spec under another name.

    Raises:
        InputError: The name has other characters than a name may have.
    """
    try:
        return spec.model_copy(update={"name": usable_name(name)})
    except InputError as error:
        raise InputError(f"name: {error}", field="name") from None
