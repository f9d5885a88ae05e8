"""YAML as plain data: by the safe loader, no key twice, and no more of it than a person writes."""

from typing import Any, ClassVar, Final

import yaml

__all__ = ["load_strict"]

# Values that a document may have, what its aliases repeat counted as often; and their depth.
_MOST_VALUES: Final = 100_000
_DEEPEST: Final = 40
# Characters of a key that a message shows.
_SHOWN: Final = 80


def load_strict(text: str) -> Any:
    """Return the content of a document.

    Nothing that it holds is run, whatever its tags say.

    Raises:
        ValueError: It is not YAML, a mapping has a key twice, a value is not what its tag says, or
            values are nested too deeply or, by aliases, too many. The message says why, and where.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ValueError(f"line {line}: {error.problem}") from None
    except RecursionError:
        raise ValueError("values are nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # the latter of a date that there is not
        raise ValueError(" ".join(str(error).split())) from None
    except (AttributeError, LookupError, TypeError, OverflowError):  # PyYAML's own, of odd scalars
        raise ValueError("a value is not what its tag says") from None


class _Loader(yaml.SafeLoader):
    """A loader that refuses a key that is there twice, where YAML lets the last one win."""

    # Bytes are no text of a person's.
    yaml_constructors: ClassVar = {
        tag: each
        for tag, each in yaml.SafeLoader.yaml_constructors.items()
        if tag != "tag:yaml.org,2002:binary"
    }

    def get_single_data(self) -> Any:
        node = self.get_single_node()
        if node is None:
            return None
        _refuse_bombs(node)
        return self.construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set[str]()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise _fault(key, f"the key {name[:_SHOWN]!r} is there twice")
            seen.add(name)
        return super().construct_mapping(node, deep)


def _refuse_bombs(root: yaml.Node) -> None:
    """Refuse what is small on disk and without end in memory: aliases of aliases, and of itself."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, depth: int) -> int:
        if id(node) in sizes:
            if not sizes[id(node)]:
                raise _fault(node, "a value holds itself")
            return sizes[id(node)]
        if depth > _DEEPEST:
            raise _fault(node, "values are nested too deeply")
        sizes[id(node)] = 0
        sizes[id(node)] = 1 + sum(size(each, depth + 1) for each in _children(node))
        if sizes[id(node)] > _MOST_VALUES:
            raise _fault(node, f"there are more than {_MOST_VALUES} values")
        return sizes[id(node)]

    size(root, 0)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _fault(node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)
