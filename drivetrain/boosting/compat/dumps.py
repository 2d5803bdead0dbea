"""Trees written out as XGBoost writes them: text, JSON, dot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.boosting.answers import Model
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.core.checks import check_choice
from drivetrain.trees.forest import Forest

FORMATS = ("text", "json", "dot")


@dataclass(frozen=True, kw_only=True, eq=False)
class Naming:
    """What the features of a dump are called.

    Attributes:
        names: A name a feature.
        types: XGBoost's word for each: ``q`` and ``float`` as they are, ``int`` by whole
            thresholds, ``i`` for true or false, ``c`` for categories.
    """

    names: Sequence[str]
    types: Sequence[str]


def naming(features: int, names: Sequence[str], types: Sequence[str], fmap: str | Path) -> Naming:
    """Return the names of the features, a map file's before the model's.

    Args:
        features: How many there are.
        names: The model's; empty for f0, f1, ...
        types: The model's; empty for ``float``.
        fmap: A file of lines ``number name type``; empty for none.

    Raises:
        ValueError: A line of the file that is none of these.
    """
    held = list(names) or [f"f{k}" for k in range(features)]
    kinds = list(types) or ["float"] * features
    if str(fmap):
        for number, line in enumerate(Path(fmap).read_text().splitlines(), 1):
            parts = line.split()
            if not parts:
                continue
            if len(parts) != 3 or not parts[0].isdigit() or int(parts[0]) >= features:
                raise ValueError(f"{fmap} line {number} must be 'number name type'. Got {line!r}.")
            held[int(parts[0])], kinds[int(parts[0])] = parts[1], parts[2]
    return Naming(names=held, types=kinds)


def called(model: Model, fmap: str | Path) -> Naming:
    """Return the names of a model's features, a map file's before its own."""
    return naming(model.n_features, model.feature_names, model.feature_types, fmap)


def trees_of(model: Model) -> Forest:
    """Return a model's trees.

    Raises:
        ValueError: It is linear.
    """
    if isinstance(model, LinearBooster):
        raise ValueError("booster='gblinear' has no trees.")
    return model.forest


def dumps_of(model: Model, fmap: str | Path, *, stats: bool, style: str) -> list[str]:
    """Return each tree of a model in XGBoost's own writing; a linear model is one text.

    Raises:
        ValueError: Another style than ``text``, ``json`` or ``dot``.
    """
    if isinstance(model, LinearBooster):
        return [_linear(model, style)]
    names = called(model, fmap)
    return [
        dump_tree(model.forest, t, names, stats=stats, style=style)
        for t in range(len(model.forest))
    ]


def _linear(model: LinearBooster, style: str) -> str:
    check_choice("dump_format", style, FORMATS[:2])
    parts = (model.bias, model.weights.reshape(-1))
    biases, weights = ([f"{float(one):g}" for one in part] for part in parts)
    if style == "text":
        return "bias:\n" + "\n".join(biases) + "\nweight:\n" + "\n".join(weights) + "\n"
    bias, weight = (",\n      ".join(part) for part in (biases, weights))
    return f'  {{ "bias": [\n      {bias}\n    ],\n    "weight": [\n      {weight}\n    ]\n  }}'


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """A node as dumps show it.

    Attributes:
        number: In its tree.
        depth: From 0.
        feature: Of the split.
        name: The feature's.
        kind: ``leaf``, ``number``, ``whole``, ``flag`` or ``set``.
        value: Threshold, whole threshold, categories, or leaf values.
        yes: Where the test sends what passes it.
        no: Where it sends the rest.
        missing: Where missing values go.
        gain: Of the split.
        cover: Sum of hessians.
    """

    number: int
    depth: int
    kind: str
    value: Any
    gain: float
    cover: float
    feature: int = -1
    name: str = ""
    yes: int = -1
    no: int = -1
    missing: int = -1


def nodes_of(forest: Forest, tree: int, named: Naming) -> dict[int, Node]:
    """Return the nodes of a tree by number, in depth-first order."""
    base = int(forest.offsets[tree])
    out: dict[int, Node] = {}
    stack = [(0, 0)]
    while stack:
        number, depth = stack.pop()
        node = _node(forest, base + number, number, depth, named)
        out[number] = node
        if node.kind != "leaf":
            left, right = int(forest.left[base + number]), int(forest.right[base + number])
            stack += [(right, depth + 1), (left, depth + 1)]
    return out


def _node(forest: Forest, at: int, number: int, depth: int, named: Naming) -> Node:
    given: dict[str, Any] = {
        "number": number,
        "depth": depth,
        "gain": float(forest.gain[at]),
        "cover": float(forest.cover[at]),
    }
    left, right = int(forest.left[at]), int(forest.right[at])
    if left < 0:
        return Node(kind="leaf", value=forest.value[at].tolist(), **given)
    feature = int(forest.feature[at])
    missing = left if forest.default_left[at] else right
    given |= {"feature": feature, "name": named.names[feature], "missing": missing}
    if forest.categorical[at]:
        chosen = forest.sets[forest.set_offsets[at] : forest.set_offsets[at + 1]].tolist()
        return Node(kind="set", value=sorted(chosen), yes=right, no=left, **given)
    threshold = float(forest.threshold[at])
    kind = named.types[feature]
    if kind == "i":
        # Whether it is there: yes is the side that missing values do not go.
        yes, no = (right, left) if forest.default_left[at] else (left, right)
        return Node(kind="flag", value=threshold, yes=yes, no=no, **given)
    if kind == "int":
        return Node(kind="whole", value=int(np.ceil(threshold)), yes=left, no=right, **given)
    return Node(kind="number", value=threshold, yes=left, no=right, **given)


def dump_tree(forest: Forest, tree: int, named: Naming, *, stats: bool, style: str) -> str:
    """Return one tree as XGBoost's ``get_dump`` gives it.

    Args:
        forest: The trees.
        tree: Which.
        named: Names and types of the features.
        stats: Whether gain and cover are shown.
        style: ``text``, ``json`` or ``dot``.

    Raises:
        ValueError: Another style.
    """
    check_choice("dump_format", style, FORMATS)
    nodes = nodes_of(forest, tree, named)
    if style == "json":
        return "\n".join(_json(nodes, nodes[0], stats, root=True))
    if style == "dot":
        return _dot(nodes, stats)
    return "".join(_line(node, stats) for node in nodes.values())


def short(value: float) -> str:
    """Return a float32 in nine digits, which read back to it."""
    return f"{value:.9g}"


def _leaf(node: Node) -> str:
    if len(node.value) == 1:
        return short(node.value[0])
    return "[" + ",".join(map(short, node.value)) + "]"


def _test(node: Node) -> str:
    """Return what a node asks: ``name<threshold``, ``name:{set}``, ``name``."""
    if node.kind == "set":
        return f"{node.name}:{{{','.join(map(str, node.value))}}}"
    if node.kind == "flag":
        return node.name
    return f"{node.name}<{node.value if node.kind == 'whole' else short(node.value)}"


def _line(node: Node, stats: bool) -> str:
    tabs = "\t" * node.depth
    if node.kind == "leaf":
        told = f",cover={short(node.cover)}" if stats else ""
        return f"{tabs}{node.number}:leaf={_leaf(node)}{told}\n"
    told = f",gain={short(node.gain)},cover={short(node.cover)}" if stats else ""
    if node.kind == "flag":
        # Which XGBoost does not indent, and of which it does not tell where missing values go.
        tabs, missing = "", ""
    else:
        missing = f",missing={node.missing}"
    return f"{tabs}{node.number}:[{_test(node)}] yes={node.yes},no={node.no}{missing}{told}\n"


def _json(nodes: dict[int, Node], node: Node, stats: bool, *, root: bool = False) -> list[str]:
    pad = "  " * (node.depth + 1)
    if node.kind == "leaf":
        told = f', "cover": {short(node.cover)} ' if stats else ""
        return [f'{pad}{{ "nodeid": {node.number}, "leaf": {_leaf(node)} {told}}}']
    told = f', "gain": {short(node.gain)}, "cover": {short(node.cover)}' if stats else ""
    missing = "" if node.kind == "flag" else f', "missing": {node.missing}'
    head = (
        f'{pad}{{ "nodeid": {node.number}, "depth": {node.depth}, "split": "{node.name}"'
        f'{_condition(node)}, "yes": {node.yes}, "no": {node.no}{missing} {told}, "children": ['
    )
    left, right = sorted((node.yes, node.no))
    first, second = (_json(nodes, nodes[child], stats) for child in (left, right))
    first[-1] += ", "
    return [head, *first, *second, f"{pad}]}}"]


def _condition(node: Node) -> str:
    if node.kind == "flag":
        return ""
    if node.kind == "number":
        return f', "split_condition": {short(node.value)}'
    return f', "split_condition": {node.value}'


def _dot(nodes: dict[int, Node], stats: bool) -> str:
    blocks = ["\n".join(_block(node, stats)) for node in nodes.values()]
    return "digraph {\n    graph [ rankdir=TB ]\n\n" + "\n\n".join(blocks) + "\n}"


def _block(node: Node, stats: bool) -> Iterator[str]:
    leaf = node.kind == "leaf"
    label = [f"leaf={_leaf(node)}" if leaf else _test(node)]
    # XGBoost tells the gain of a set whether it is asked to or not.
    if stats or node.kind == "set":
        label += [] if leaf else [f"gain={short(node.gain)}"]
        label += [f"cover={short(node.cover)}"]
    yield f'    {node.number} [ label="' + "\n".join(label) + '" ]'
    if not leaf:
        for child in sorted((node.yes, node.no)):
            yield _edge(node, child)


def _edge(node: Node, child: int) -> str:
    words = "yes" if child == node.yes else "no"
    missing = child == node.missing
    color = "#0000FF" if missing else "#FF0000"
    words += ", missing" if missing else ""
    return f'    {node.number} -> {child} [label="{words}" color="{color}"]'
