"""Which ways of growing trees go together."""

from typing import TYPE_CHECKING

from drivetrain.boosting.dataset import Dataset
from drivetrain.core.checks import check_choice

if TYPE_CHECKING:
    from drivetrain.boosting.training import Settings


def check_methods(settings: "Settings") -> None:
    """Raise a ValueError where two settings do not go together, naming both."""
    method, sketch = settings.tree_method, settings.sketch
    check_choice("tree_method", method, ("hist", "exact", "approx"))
    check_choice("sketch", sketch, ("global", "local"))
    check_choice("histogram", settings.histogram, ("packed", "float"))
    check_choice("cuts", settings.cuts, ("greedy", "quantile"))
    if sketch == "local" and method != "approx":
        raise ValueError(
            f"sketch='local' is read by tree_method='approx' only. Got tree_method={method!r}."
        )
    if settings.cuts == "quantile" and method == "exact":
        raise ValueError("cuts is not read by tree_method='exact', which tries every value.")
    plain = method == "hist" and settings.histogram == "packed"
    own = f"tree_method={method!r} and histogram={settings.histogram!r}"
    if settings.multi_strategy == "multi_output_tree" and not plain:
        raise ValueError(
            "multi_strategy='multi_output_tree' needs tree_method='hist' and histogram='packed'. "
            f"Got {own}."
        )
    if settings.growth.grow_policy == "symmetric" and not plain:
        raise ValueError(
            f"grow_policy='symmetric' needs tree_method='hist' and histogram='packed'. Got {own}."
        )
    if settings.linear_tree and settings.booster != "gbtree":
        raise ValueError(f"linear_tree=True needs booster='gbtree'. Got {settings.booster!r}.")
    if settings.linear_tree and settings.multi_strategy == "multi_output_tree":
        raise ValueError(
            "linear_tree=True fits one line a leaf: multi_strategy must be 'one_output_per_tree'."
        )


def check_method_of(settings: "Settings", data: Dataset) -> None:
    """Raise a ValueError where the data is not for the method."""
    method = settings.tree_method
    if settings.linear_tree and data.table is not None:
        raise ValueError(
            "linear_tree=True needs x in memory: lines are fitted to values, not bins."
        )
    if method == "hist":
        return
    if data.table is not None:
        raise ValueError(
            f"tree_method={method!r} needs x in memory. tree_method='hist' reads it in chunks."
        )
    kinds = data.categorical
    scans = method == "exact" or settings.sketch == "local"
    if scans and kinds is not None and kinds.any():
        name = f"tree_method={method!r}" if method == "exact" else "sketch='local'"
        raise ValueError(
            f"{name} takes no categorical features. Got {int(kinds.sum())}: use "
            "tree_method='hist', or tree_method='approx' with sketch='global'."
        )
