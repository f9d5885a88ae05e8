"""References of configurations: the same with what is judged switched off, or as published.

A configuration and its references are trained under the same seeds, which no search has used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sweeps.search.study import Suggestion
from sweeps.spec import ControlRule

__all__ = ["BLOCK", "Group", "fresh_seed", "groups_of", "under_fresh_seed"]

# Seeds of a block; the search's own begin at the configurations' seed, and the blocks follow.
BLOCK: Final = 1_000_000

# A configuration, and then its references.
Group = tuple[Suggestion, ...]


def groups_of(
    rule: ControlRule | None,
    suggested: Mapping[int, Suggestion],
    chosen: Sequence[int],
    *,
    block: int,
) -> list[Group]:
    """Return each chosen configuration with its references.

    Args:
        rule: What the references are; None: there are none.
        suggested: All configurations there are, by number; a reference that is not among them has
            one of the numbers that follow.
        chosen: Numbers of some.
        block: Of the fresh seeds that they are to be trained under, counted from 1.
    """
    known, groups = dict(suggested), []
    seed = fresh_seed(suggested, block=block)
    for number in chosen:
        one = known[number]
        references = rule.references(one.config) if rule else {}
        others = (
            _known(rule, known, config) or _made(rule, known, one, (role, config), seed)
            for role, config in references.items()
            if rule
        )
        groups.append((one, *others))
    return groups


def under_fresh_seed(group: Group, seed: int, *, purpose: str) -> Group:
    """Return a group's runs under a seed."""
    return tuple(replace(each, seed=seed, purpose=purpose) for each in group)


def fresh_seed(suggested: Mapping[int, Suggestion], *, block: int) -> int:
    """Return the first seed of a block, counted from 1.

    Args:
        suggested: All configurations there are, by number. One that was made as a reference has a
            seed of a block itself; so the least of their seeds is the search's.
        block: Which one.
    """
    own = min((each.config["seed"] for each in suggested.values()), default=0)
    return int(own) + block * BLOCK


def _known(
    rule: ControlRule, known: Mapping[int, Suggestion], config: Mapping[str, Any]
) -> Suggestion | None:
    key = rule.key(config)
    return next((each for each in known.values() if rule.key(each.config) == key), None)


def _made(
    rule: ControlRule,
    known: dict[int, Suggestion],
    one: Suggestion,
    reference: tuple[str, Mapping[str, Any]],
    seed: int,
) -> Suggestion:
    """Make a reference one of the known configurations; its own seed is its first run's."""
    role, config = reference
    control = role == "control"
    without = rule.left_out if control else frozenset()
    number = max(known) + 1
    known[number] = Suggestion(
        number=number,
        seed=seed,
        config={**config, "seed": seed},
        sampled={name: config[name] for name in one.sampled if name not in without},
        control=control,
    )
    return known[number]
