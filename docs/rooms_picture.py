"""Picture of the rooms and the imports between them, for ``docs/architecture.md``."""

from collections.abc import Iterator, Mapping
from typing import Final

from docs.rooms import PACKAGES, floors, reached, room_imports

__all__ = ["svg"]

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
    "sweeps/spec": (2.1, "pydantic"),
    "sweeps/home": (4.3, ""),
    "sweeps/estimates": (3.25, "numpy, scipy"),
    "trainer": (0.5, "torch, timm"),
    "trainer/data": (1.75, "pillow, pyarrow"),
    "trainer/losses": (3, "pytorch_metric_learning"),
    "objectives": (1, "torch"),
    "objectives/pairwise": (2.5, "numba"),
}
_TITLES: Final = {"sweeps": "many trials", "trainer": "one trial", "objectives": "its worth"}
_WIDTH, _HEIGHT, _GAP, _TITLE = 1150, 92, 34, 30  # of the picture; of a floor; around packages
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
        if not any(target in reached(graph, other) for other in targets)
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
