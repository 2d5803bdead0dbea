"""Which planter grows the trees that the settings ask for."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING
from zlib import crc32

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.methods import check_method_of
from drivetrain.trees.binning.cuts import Cuts, find_cuts
from drivetrain.trees.binning.matrix import BinnedMatrix, bin_matrix
from drivetrain.trees.growing.packed import PackedPlanter
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.planter import Planter

if TYPE_CHECKING:
    from drivetrain.boosting.training import Settings


def planter_for(data: Dataset, settings: "Settings", growth: Growth) -> Planter:
    """Return what grows trees on the data.

    Args:
        data: The rows.
        settings: The method and its number of bins and threads.
        growth: The rules of a tree, as the objective has amended them.
    """
    check_method_of(settings, data)
    planter = _constant(data, settings, growth)
    if not settings.linear_tree:
        return planter
    from drivetrain.trees.linear_leaves.planter import LinearPlanter

    kappa, threads = settings.linear_lambda, settings.threads
    return LinearPlanter(planter, data.x, growth, linear_lambda=kappa, threads=threads)


def _constant(data: Dataset, settings: "Settings", growth: Growth) -> Planter:
    """Return what grows trees with numbers for leaves, or vectors of them."""
    if settings.tree_method == "exact" or settings.sketch == "local":
        return _scanning(data, settings, growth)
    if settings.tree_method == "approx":
        return _proposing(data, settings, growth)
    matrix = binned(data, settings)
    if growth.grow_policy == "symmetric":
        from drivetrain.trees.symmetric.planter import SymmetricPlanter

        return SymmetricPlanter(matrix, growth, threads=settings.threads)
    if settings.multi_strategy == "multi_output_tree":
        from drivetrain.trees.vector.planter import VectorPlanter

        return VectorPlanter(matrix, growth, threads=settings.threads)
    return _on_bins(matrix, settings, growth)


def _on_bins(matrix: BinnedMatrix, settings: "Settings", growth: Growth) -> Planter:
    """Return what grows trees of one weight a leaf; rarer methods are imported when asked for."""
    if settings.histogram == "packed":
        return PackedPlanter(matrix, growth, threads=settings.threads)
    from drivetrain.trees.floating.planter import FloatPlanter

    approximate = settings.tree_method == "approx"
    return FloatPlanter(matrix, growth, threads=settings.threads, sum_rows=approximate)


def _scanning(data: Dataset, settings: "Settings", growth: Growth) -> Planter:
    from drivetrain.trees.exact.planter import ExactPlanter

    bins = settings.max_bin if settings.sketch == "local" else 0
    return ExactPlanter(data.x, growth, threads=settings.threads, bins=bins)


def _proposing(data: Dataset, settings: "Settings", growth: Growth) -> Planter:
    from drivetrain.trees.proposing.planter import ProposingPlanter

    return ProposingPlanter(
        data.x,
        lambda matrix: _on_bins(matrix, settings, growth),
        bins=settings.max_bin,
        weight=data.weight,
        categorical=data.categorical,
        threads=settings.threads,
    )


def binned(data: Dataset, settings: "Settings") -> BinnedMatrix:
    """Return the data cut into bins."""
    find: Callable[..., Cuts] = partial(find_cuts, max_bins=settings.max_bin)
    name = f"{settings.cuts} {settings.max_bin}"
    if settings.cuts == "quantile":
        from drivetrain.trees.sketching.cuts import quantile_cuts

        find = partial(quantile_cuts, max_bins=settings.max_bin, weight=data.weight)
        name += "" if data.weight is None else f" {crc32(data.weight.tobytes())}"
    if data.table is not None:
        return data.table.binned(find, name, threads=settings.threads)
    with ThreadPoolExecutor(settings.threads) as executor:
        cuts = find(data.x, categorical=data.categorical, executor=executor)
        return bin_matrix(data.x, cuts, executor=executor)
