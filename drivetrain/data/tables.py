"""The small tables that scikit-learn ships: nothing is downloaded."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_UCI = "CC BY 4.0 (UCI Machine Learning Repository)"


@dataclass(frozen=True, kw_only=True)
class Regression:
    """A table of real features and a real target.

    Attributes:
        features: float64, (rows, features).
        target: float64, (rows,).
        feature_names: One name a column.
        source: Where the data comes from.
        licence: Under what terms.
    """

    features: NDArray[np.float64]
    target: NDArray[np.float64]
    feature_names: tuple[str, ...]
    source: str
    licence: str


@dataclass(frozen=True, kw_only=True)
class Classes:
    """A table of real features and a class a row.

    Attributes:
        features: float64, (rows, features).
        target: int64, (rows,), the index of the class in ``class_names``.
        feature_names: One name a column.
        class_names: One name a class.
        source: Where the data comes from.
        licence: Under what terms.
    """

    features: NDArray[np.float64]
    target: NDArray[np.int64]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    source: str
    licence: str


def diabetes() -> Regression:
    """Return 442 diabetes patients: ten measurements, and the disease's progress in a year.

    The columns are in their own units (years, mm Hg, mg/dl, ...), not standardised.

    Example:
        >>> diabetes().features.shape
        (442, 10)
    """
    from sklearn.datasets import load_diabetes

    bunch: Any = load_diabetes(scaled=False)
    return Regression(
        features=np.ascontiguousarray(bunch.data, np.float64),
        target=bunch.target.astype(np.float64),
        feature_names=tuple(map(str, bunch.feature_names)),
        source="Efron, Hastie, Johnstone, Tibshirani, Least Angle Regression (2004)",
        licence="none stated by the authors; shipped with scikit-learn (BSD-3-Clause)",
    )


def breast_cancer() -> Classes:
    """Return 569 tumours: thirty measurements of cell nuclei, malignant or benign.

    Example:
        >>> breast_cancer().class_names
        ('malignant', 'benign')
    """
    from sklearn.datasets import load_breast_cancer

    source = "Wolberg, Street, Mangasarian, Breast Cancer Wisconsin (Diagnostic) (1995); UCI"
    return _classes(load_breast_cancer(), source)


def iris() -> Classes:
    """Return 150 irises: four lengths, three species.

    Example:
        >>> iris().features.shape
        (150, 4)
    """
    from sklearn.datasets import load_iris

    return _classes(load_iris(), "Fisher, Iris (1936); UCI")


def wine() -> Classes:
    """Return 178 wines: thirteen chemical measurements, three growers.

    Example:
        >>> wine().features.shape
        (178, 13)
    """
    from sklearn.datasets import load_wine

    return _classes(load_wine(), "Forina and others, Wine (1988); UCI")


def _classes(bunch: Any, source: str) -> Classes:
    return Classes(
        features=np.ascontiguousarray(bunch.data, np.float64),
        target=bunch.target.astype(np.int64),
        feature_names=tuple(map(str, bunch.feature_names)),
        class_names=tuple(map(str, bunch.target_names)),
        source=source,
        licence=_UCI,
    )
