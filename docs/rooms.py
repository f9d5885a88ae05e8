"""Rooms of the code and the imports between them, read from the syntax trees.

``python -m docs.rooms`` prints who imports whom; `svg` draws it for ``docs/architecture.md``.
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
    "room_imports",
    "svg",
]

ROOT: Final = Path(__file__).parents[1]
# Each may import those after it.
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
                case ast.Call(
                    func=ast.Name(id="__import__" | "import_module")
                    | ast.Attribute(attr="import_module"),
                    args=[ast.Constant(value=str(source)), *_],
                ):
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
    return sorted(node for node in graph if node in _reached(graph, node))


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
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


# For the picture: each room's column, and the libraries that live there.
_ROOMS: Final[Mapping[str, tuple[float, str]]] = {
    "sweeps/cli": (1.5, "typer, rich"),
    "sweeps/execution": (2.5, "ray"),
    "sweeps/embeddings": (0, "pyarrow"),
    "sweeps/tracking": (1.5, "mlflow"),
    "sweeps/results": (1, "plotly, matplotlib"),
    "sweeps/search": (2.5, "optuna"),
    "sweeps/files": (0, ""),
    "sweeps/store": (1, "sqlalchemy, alembic"),
    "sweeps/spec": (2.25, "pydantic"),
    "sweeps/home": (3.5, ""),
    "trainer": (0.5, "torch, timm"),
    "trainer/data": (1.75, "pillow, pyarrow"),
    "trainer/losses": (3, "pytorch_metric_learning"),
    "objectives": (1, "torch"),
    "objectives/pairwise": (2.5, "numba"),
}
_TITLES: Final = {"sweeps": "many trials", "trainer": "one trial", "objectives": "its worth"}
_WIDTH, _HEIGHT, _GAP, _TITLE = 960, 92, 34, 30  # of the picture; of a floor; around packages
_LEFT, _COLUMN, _BOX, _TALL, _SPREAD = 180, 185, 170, 48, 26


def svg() -> str:
    """Draw the rooms of ``sweeps`` on their floors, and the two packages below them.

    Of the imports, those that follow from others are left out.
    """
    graph = room_imports("sweeps")
    storeys = {"sweeps": floors(graph)[::-1]}
    for package in PACKAGES[1:]:
        storeys[package] = [[room for room in _ROOMS if room.split("/")[0] == package]]
    frames: list[tuple[str, int, int]] = []
    places: dict[str, tuple[float, float]] = {}
    y = 8
    for package, rows in storeys.items():
        frames.append((package, y, len(rows)))
        for level, row in enumerate(rows):
            top = y + _TITLE + _HEIGHT * level + (_HEIGHT - _TALL) // 2
            places |= {room: (_LEFT + _COLUMN * _ROOMS[room][0], top) for room in row}
        y += _TITLE + _HEIGHT * len(rows) + _GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y - _GAP + 8}" '
        'font-family="system-ui, sans-serif" font-size="14">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{_WIDTH}" height="{y - _GAP + 8}" fill="white"/>',
        *(line for frame in frames for line in _frame(*frame)),
        *(_arrow((_WIDTH / 2, y - _GAP), (_WIDTH / 2, y)) for _, y, _ in frames[1:]),
        *_arrows(_reduced(graph), places),
        *(_box(room, *place) for room, place in places.items()),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _reduced(graph: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Return the imports that no chain of others stands for."""
    return [
        (room, target)
        for room, targets in sorted(graph.items())
        for target in sorted(targets)
        if not any(target in _reached(graph, other) for other in targets)
    ]


def _frame(package: str, y: int, count: int) -> Iterator[str]:
    height = _TITLE + _HEIGHT * count
    yield f'<rect x="8" y="{y}" width="{_WIDTH - 16}" height="{height}" rx="8" fill="#f3f3f0"/>'
    yield f'<text x="20" y="{y + 22}"><tspan font-weight="600">{package}/</tspan> '
    yield f'<tspan fill="#666">{_TITLES[package]}</tspan></text>'
    for level in range(count if count > 1 else 0):
        top = y + _TITLE + _HEIGHT * level
        yield f'<path d="M20 {top}H{_WIDTH - 20}" stroke="#ddd"/>'
        yield f'<text x="20" y="{top + _HEIGHT / 2 + 5:g}" fill="#888" font-size="12">'
        yield f"floor {count - 1 - level}</text>"


def _arrows(
    pairs: list[tuple[str, str]], places: Mapping[str, tuple[float, float]]
) -> Iterator[str]:
    """Draw the arrows of a room side by side, in the order of where they lead."""
    for start, end in pairs:
        targets = sorted(places[b] for a, b in pairs if a == start)
        sources = sorted(places[a] for a, b in pairs if b == end)
        out = targets.index(places[end]) - (len(targets) - 1) / 2
        into = sources.index(places[start]) - (len(sources) - 1) / 2
        (x1, y1), (x2, y2) = places[start], places[end]
        yield _arrow((x1 + _SPREAD * out, y1 + _TALL), (x2 + _SPREAD * into, y2))


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, end
    middle = (y1 + y2) / 2
    path = f"M{x1:g} {y1:g}C{x1:g} {middle:g} {x2:g} {middle:g} {x2:g} {y2:g}"
    return f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#tip)"/>'


def _box(room: str, x: float, y: float) -> str:
    libraries = _ROOMS[room][1]
    name = room.removeprefix("sweeps/")
    text = f'<text x="{x:g}" y="{{}}" text-anchor="middle" {{}}>{{}}</text>'
    return (
        f'<rect x="{x - _BOX / 2:g}" y="{y:g}" width="{_BOX}" height="{_TALL}" rx="6" '
        'fill="white" stroke="#0072B2" stroke-width="1.5"/>'
        + text.format(f"{y + (21 if libraries else 29):g}", 'font-weight="600"', name)
        + (text.format(f"{y + 38:g}", 'font-size="12" fill="#666"', libraries) if libraries else "")
    )


def main() -> None:
    """Print the floors, and what each room imports."""
    graph = room_imports("sweeps")
    for level, rooms in reversed(list(enumerate(floors(graph)))):
        for room in rooms:
            print(f"{level}  {room:18} {', '.join(sorted(graph[room]))}")


if __name__ == "__main__":
    main()
