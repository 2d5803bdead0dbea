"""XGBoost's plots, which this library has elsewhere."""

from typing import Any, NoReturn

_WHERE = "is not offered here: `drivetrain boosting explain` draws importances and trees."


def plot_importance(booster: Any, **told: Any) -> NoReturn:
    """Raise NotImplementedError that says where importances are drawn."""
    raise NotImplementedError(f"plot_importance {_WHERE}")


def plot_tree(booster: Any, **told: Any) -> NoReturn:
    """Raise NotImplementedError that says where trees are drawn."""
    raise NotImplementedError(f"plot_tree {_WHERE} get_dump(dump_format='dot') writes one.")


def to_graphviz(booster: Any, **told: Any) -> NoReturn:
    """Raise NotImplementedError that says where trees are drawn."""
    raise NotImplementedError(f"to_graphviz {_WHERE} get_dump(dump_format='dot') writes one.")
