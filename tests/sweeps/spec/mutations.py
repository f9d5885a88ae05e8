"""Mutants of valid specs: trees and bytes changed in the ways that users and disks do."""

from collections.abc import Callable
from typing import Any

import yaml
from hypothesis import strategies as st

__all__ = ["damaged_bytes", "mutants"]

# What takes the place of a value, as YAML; more than any one field can take.
_VALUES = (
    *("null", "~", "true", "yes", "''", "' '", "'.'", "'..'", "'../..'", "/", "a/b", "~nobody/x"),
    *("0", "-0", "-1", "1", "2", "3", "0.5", "1.5", "-0.0", "1e-320", "1e308", "1e400", "-.inf"),
    *(".inf", ".nan", "0x10", "1_000", "60:30", "4294967296", "9223372036854775808", "'1e3'"),
    *(
        "1" + "0" * 40,
        "1" + "0" * 5000,
        "-1" + "0" * 400,
        "2026-01-01",
        "2026-13-45",
        "!!binary aGk=",
    ),
    *("[]", "{}", "[[]]", "[{}]", "{a: {b: {c: []}}}", "[null]", "[.nan, .nan]", "[1, 1.0, true]"),
    *("[0, -1, 1]", "[a, b]", "[1, a, true]", "{low: 0, high: 1}", "{low: 1, high: 0}"),
    *("{low: 0, high: 1, log: true}", "{low: 1, high: 1e300}", "{low: -.inf, high: .inf}"),
    *("{low: .nan, high: 1}", "{low: 4, high: 1e15, step: 4}", "{low: 1, high: 9, step: 1e-300}"),
    *("{low: 0, high: 1, step: 3}", "{choices: []}", "{choices: [1, 1]}", "{choices: {a: 1}}"),
    *("{choices: [smooth_ap], when: {loss: smooth_ap}}", "{low: 1, high: 2, when: {loss: []}}"),
    *("{low: 1, high: 2, when: 3}", "{low: 1, high: 2, when: {loss: [smooth_ap, 3]}}"),
    *("0x" + "f" * 300, "0x" + "f" * 5000, "!!bool x", "!!timestamp x", "'~nobody/x'", "1e18"),
    *("{low: 2, high: 1e12, when: {loss: smooth_ap}}", "{low: -1e308, high: 1e308}"),
    *("auto", "glyphs", "digits", "cub", "frozen", "trained", "simulated", "metric_learning"),
    *("a:b", "os.path:join", "':'", "no.module:x", "smooth_ap", "proxy_anchor", "opis", "f1"),
    *("'a\\b'", '"a\\nb"', '"\\0"', '"\\e[31m"', '"\\u202Eabc"', '"\\uD800"', "'ünï ☃ 🎈'"),
    *("'%s{}{0}'", "'[bold]x[/bold]'", "${HOME}", "'" + "x" * 300 + "'", "!!set {a, b}"),
    *("!!python/object/apply:os.getcwd []", "!!python/name:os.system", "!unknown x", "!!int x"),
    *("&a [*a]", "&a {a: *a}", "&a {low: *a, high: *a}", "&a {<<: *a}", "<<"),
)
_KEYS = (
    *("name", "data", "space", "trial", "budget", "seeds", "seed", "loss", "weights", "backbone"),
    *("low", "high", "log", "step", "when", "choices", "folder", "table", "root", "split", "<<"),
    *("", " ", "null", "true", "1", "1.5", ".nan", "a.b", "=", "x" * 300, "\n", "\x1b[31m", "\0"),
)
Node = yaml.Node
Mutation = Callable[[Any, Node], None]


@st.composite
def mutants(draw: Any, texts: tuple[str, ...]) -> str:
    """Draw the text of a spec, with one or two changes somewhere in its tree."""
    tree = yaml.compose(draw(st.sampled_from(texts)), yaml.SafeLoader)
    for _ in range(draw(st.integers(1, 2))):
        draw(st.sampled_from(_MUTATIONS))(draw, tree)
    text: str = yaml.serialize(tree, allow_unicode=draw(st.booleans()), width=10_000)
    return text


@st.composite
def damaged_bytes(draw: Any, contents: tuple[bytes, ...]) -> bytes:
    """Draw the bytes of a spec: some of them flipped, put in or taken out, or the end cut off."""
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(["flip", "put", "take", "cut"])):
            case "flip" if at < len(content):
                content[at] ^= 1 << draw(st.integers(0, 7))
            case "put":
                content[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "take":
                del content[at : at + draw(st.integers(1, 40))]
            case "cut" if draw(st.booleans()):
                del content[at:]
    return bytes(content)


def _nodes(tree: Node) -> list[Node]:
    """Return every node that holds others, each once."""
    found: dict[int, Node] = {}
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.CollectionNode) and id(node) not in found:
            found[id(node)] = node
            for each in node.value:
                waiting += each if isinstance(each, tuple) else (each,)
    return list(found.values())


def _place(draw: Any, tree: Node) -> tuple[list[Any], int] | None:
    """Return the entries of some node, and which of them is meant."""
    filled = [node for node in _nodes(tree) if node.value]
    if not filled:
        return None
    entries = draw(st.sampled_from(filled)).value
    return entries, draw(st.integers(0, len(entries) - 1))


def _value(draw: Any) -> Node:
    text = draw(st.sampled_from(_VALUES) | st.none())
    if text is None:
        shown = draw(st.text(max_size=20) | st.floats() | st.integers())
        return yaml.ScalarNode(_tag(shown), str(shown))
    node: Node = yaml.compose(text, yaml.SafeLoader)  # type: ignore[assignment]
    return node


def _tag(value: object) -> str:
    kinds = {str: "str", float: "float", int: "int"}
    return f"tag:yaml.org,2002:{kinds[type(value)]}"


def _drop(draw: Any, tree: Node) -> None:
    if place := _place(draw, tree):
        del place[0][place[1]]


def _double(draw: Any, tree: Node) -> None:
    if place := _place(draw, tree):
        place[0].append(place[0][place[1]])


def _rename(draw: Any, tree: Node) -> None:
    if place := _place(draw, tree):
        entries, at = place
        if isinstance(entries[at], tuple):
            name = draw(st.sampled_from(_KEYS) | st.text(max_size=8))
            key = yaml.ScalarNode(draw(st.sampled_from([_tag(""), *_OTHER_KEYS])), name)
            entries[at] = (key, entries[at][1])


def _replace(draw: Any, tree: Node) -> None:
    if place := _place(draw, tree):
        _put(*place, _value(draw))


def _swap(draw: Any, tree: Node) -> None:
    one, two = _place(draw, tree), _place(draw, tree)
    if one and two:
        first, second = _get(*one), _get(*two)
        _put(*one, second)
        _put(*two, first)


def _nest(draw: Any, tree: Node) -> None:
    if place := _place(draw, tree):
        inner = _get(*place)
        if draw(st.booleans()):
            _put(*place, yaml.SequenceNode("tag:yaml.org,2002:seq", [inner]))
        else:
            key = yaml.ScalarNode(_tag(""), draw(st.sampled_from(_KEYS)))
            _put(*place, yaml.MappingNode("tag:yaml.org,2002:map", [(key, inner)]))


def _get(entries: list[Any], at: int) -> Node:
    entry = entries[at]
    node: Node = entry[1] if isinstance(entry, tuple) else entry
    return node


def _put(entries: list[Any], at: int, node: Node) -> None:
    entry = entries[at]
    entries[at] = (entry[0], node) if isinstance(entry, tuple) else node


_OTHER_KEYS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "null", "merge"))
_MUTATIONS: tuple[Mutation, ...] = (
    _drop,
    _double,
    _rename,
    _replace,
    _replace,
    _replace,
    _swap,
    _nest,
)
