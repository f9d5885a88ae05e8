"""Rooms of the code and the imports between them, read from the syntax trees.

``python -m docs.rooms`` prints who imports whom.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

__all__ = [
    "PACKAGES",
    "ROOT",
    "Import",
    "Module",
    "circles",
    "floors",
    "module_imports",
    "modules",
    "public_names",
    "reached",
    "room_imports",
]

ROOT: Final = Path(__file__).parents[1]
# Each may import those after it.
_IMPORTERS: Final = ("__import__", "import_module", "import_object", "load", "resolve_name")
PACKAGES: Final = ("sweeps", "trainer", "objectives")


@dataclass(frozen=True, kw_only=True)
class Import:
    """One name that a module imports.

    Attributes:
        source: The dotted name after ``from``, or after ``import``.
        name: The name that is imported from it; None for ``import source``.
        line: Where.
    """

    source: str
    name: str | None
    line: int

    @property
    def top(self) -> str:
        """The library or package."""
        return self.source.split(".")[0]


@dataclass(frozen=True, kw_only=True)
class Module:
    """A file of the code, or one planted by a test.

    Attributes:
        path: Relative to the root.
        source: Its text.
    """

    path: Path
    source: str

    @property
    def name(self) -> str:
        """Dotted name; a package's is that of its folder."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        """Dotted name of the folder that it lies in."""
        return ".".join(self.path.parent.parts)

    @property
    def room(self) -> str:
        """The folder below a package, or the file where it lies in none: ``sweeps/store``."""
        top, *rest = self.path.with_suffix("").parts
        return f"{top}/{rest[0]}" if rest and rest[0] != "__init__" else top

    def imports(self) -> Iterator[Import]:
        """Yield everything that is imported, wherever in the module it stands."""
        for node in ast.walk(ast.parse(self.source)):
            match node:
                case ast.Import(names=names):
                    yield from (
                        Import(source=alias.name, name=None, line=node.lineno) for alias in names
                    )
                case ast.ImportFrom(names=names):
                    source = self._absolute(node)
                    for alias in names:
                        # `from .. import trainer`, at the root, imports a package.
                        there, name = (source, alias.name) if source else (alias.name, None)
                        yield Import(source=there, name=name, line=node.lineno)
                case ast.Call(func=ast.Name(id=function) | ast.Attribute(attr=function)) if (
                    function in _IMPORTERS
                ):
                    given = [*node.args[:1], *(keyword.value for keyword in node.keywords)]
                    for each in given:
                        if isinstance(each, ast.Constant) and isinstance(each.value, str):
                            source = each.value.partition(":")[0].lstrip(".")
                            yield Import(source=source, name=None, line=node.lineno)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.package.split(".")
        base = parts[: len(parts) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])


@cache
def modules() -> tuple[Module, ...]:
    """Return every module and face of the three packages."""
    return tuple(
        Module(path=path.relative_to(ROOT), source=path.read_text(encoding="utf-8"))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py*"))
        if path.suffix in (".py", ".pyi")
    )


@cache
def public_names() -> Mapping[str, frozenset[str]]:
    """Return what each package's face offers: the names in its ``__all__``."""
    names: dict[str, frozenset[str]] = {}
    for module in modules():
        if module.path.stem != "__init__":
            continue
        for node in ast.parse(module.source).body:
            match node:
                case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=items)):
                    found = {each.value for each in items if isinstance(each, ast.Constant)}
                    names[module.name] = frozenset(map(str, found))
        names.setdefault(module.name, frozenset())
    return names


def module_imports() -> dict[str, set[str]]:
    """Return, for every module, those of the code that it imports; a face is a module too."""
    there = {module.name for module in modules()}
    graph: dict[str, set[str]] = {name: set() for name in there}
    for module in modules():
        for found in module.imports():
            inner = f"{found.source}.{found.name}"
            target = inner if inner in there else found.source
            if target in there and target != module.name:
                graph[module.name].add(target)
    return graph


def circles(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the nodes from which a way leads back to themselves."""
    return sorted(node for node in graph if node in reached(graph, node))


def reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """Return the nodes to which a way leads."""
    seen: set[str] = set()
    left = [start]
    while left:
        for target in graph.get(left.pop(), ()):
            if target not in seen:
                seen.add(target)
                left.append(target)
    return seen


def room_imports(package: str) -> dict[str, set[str]]:
    """Return, for every room of a package but its face, the rooms of it that it imports."""
    rooms = {module.name: module.room for module in modules()}
    graph: dict[str, set[str]] = {}
    for name, targets in module_imports().items():
        room = rooms[name]
        if name == package or not name.startswith(f"{package}."):
            continue
        inside = {rooms[t] for t in targets if t.startswith(f"{package}.")}
        graph.setdefault(room, set()).update(inside - {room})
    return graph


def floors(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the rooms by floor, the lowest first: each is one above the highest it imports.

    Raises:
        ValueError: There is a circle.
    """
    if round_about := circles(graph):
        raise ValueError(f"rooms that import each other in a circle: {', '.join(round_about)}")

    @cache
    def floor(room: str) -> int:
        return 1 + max(map(floor, graph[room]), default=-1)

    height = max(map(floor, graph)) + 1
    return [sorted(room for room in graph if floor(room) == level) for level in range(height)]


def main() -> None:
    """Print the floors, and what each room imports."""
    graph = room_imports("sweeps")
    for level, rooms in reversed(list(enumerate(floors(graph)))):
        for room in rooms:
            print(f"{level}  {room:18} {', '.join(sorted(graph[room]))}")


if __name__ == "__main__":
    main()
