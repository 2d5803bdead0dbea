"""Which planter grows the trees that the settings ask for."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from drivetrain.boosting.dataset import Dataset
from drivetrain.trees.binning.cuts import find_cuts
from drivetrain.trees.binning.matrix import BinnedMatrix, bin_matrix
from drivetrain.trees.growing.packed import PackedPlanter
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.planter import Planter
from drivetrain.trees.symmetric.planter import SymmetricPlanter
from drivetrain.trees.vector.planter import VectorPlanter

if TYPE_CHECKING:
    from drivetrain.boosting.training import Settings


def planter_for(data: Dataset, settings: "Settings", growth: Growth) -> Planter:
    """Return what grows trees on the data.

    Args:
        data: The rows.
        settings: The method and its number of bins and threads.
        growth: The rules of a tree, as the objective has amended them.
    """
    matrix = binned(data, settings)
    if growth.grow_policy == "symmetric":
        return SymmetricPlanter(matrix, growth, threads=settings.threads)
    if settings.multi_strategy == "multi_output_tree":
        return VectorPlanter(matrix, growth, threads=settings.threads)
    return PackedPlanter(matrix, growth, threads=settings.threads)


def binned(data: Dataset, settings: "Settings") -> BinnedMatrix:
    """Return the data cut into bins."""
    if data.table is not None:
        find = partial(find_cuts, max_bins=settings.max_bin)
        return data.table.binned(find, f"greedy {settings.max_bin}", threads=settings.threads)
    with ThreadPoolExecutor(settings.threads) as executor:
        cuts = find_cuts(
            data.x, max_bins=settings.max_bin, categorical=data.categorical, executor=executor
        )
        return bin_matrix(data.x, cuts, executor=executor)
