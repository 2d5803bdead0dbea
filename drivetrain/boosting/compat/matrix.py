"""DMatrix: rows and what is known of them, by XGBoost's names."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.frames.reading import is_frame, read_table
from drivetrain.boosting.frames.table import Columns, Table
from drivetrain.boosting.queries import offsets_of
from drivetrain.core.checks import check_array
from drivetrain.core.errors import did_you_mean, unknown

#: What a row, or a query, is told besides its values; all but the last three a number a row.
INFO = (
    "label",
    "weight",
    "base_margin",
    "label_lower_bound",
    "label_upper_bound",
    "group",
    "qid",
    "feature_weights",
)
# Accepted and without effect: threads read no data here, and rows are never split.
_IDLE = ("silent", "nthread", "data_split_mode")


class Info(TypedDict, total=False):
    """Keyword arguments of a DMatrix besides its values."""

    weight: ArrayLike | None
    base_margin: ArrayLike | None
    group: ArrayLike | None
    qid: ArrayLike | None
    label_lower_bound: ArrayLike | None
    label_upper_bound: ArrayLike | None
    feature_weights: ArrayLike | None
    silent: bool
    nthread: int | None
    data_split_mode: Any


class DMatrix:
    """Rows with labels, weights and names.

    Args:
        data: Values, (n, F): an array, a data frame (pandas, polars, arrow), a tensor, or a scipy
            sparse matrix, whose absent entries are missing.
        label: Targets, (n,) or (n, targets).
        missing: The value that stands for a missing one; NaN where None.
        feature_names: A name a column; a data frame's own where None.
        feature_types: ``c`` for columns that hold categories, ``int``, ``float``, ``i`` or ``q``
            for others; a data frame's own where None.
        enable_categorical: Whether columns of categories and of words are taken.
        **info: ``weight``, ``base_margin``, ``group`` or ``qid``, ``label_lower_bound`` and
            ``label_upper_bound``.

    Raises:
        TypeError: Not numeric.
        ValueError: Lengths that do not fit.

    Example:
        >>> DMatrix([[1.0, 2.0]], label=[3.0], feature_names=["a", "b"]).num_col()
        2
    """

    def __init__(
        self,
        data: Any,
        label: ArrayLike | None = None,
        *,
        missing: float | None = None,
        feature_names: Sequence[str] | None = None,
        feature_types: Sequence[str] | None = None,
        enable_categorical: bool = False,
        **info: Unpack[Info],
    ) -> None:
        table = _read(data, missing, feature_types, enable_categorical)
        columns = table.columns
        if feature_names is not None:
            columns = replace(columns, names=tuple(map(str, feature_names)))
        self._data = Dataset(x=table.x, **replace(table, columns=columns).given)
        self._info: dict[str, NDArray[Any]] = {}
        self.set_info(label=label, **info)

    @classmethod
    def of(cls, data: Dataset, info: Mapping[str, Any]) -> "DMatrix":
        """Return rows that are a dataset already."""
        made = cls.__new__(cls)
        made._data, made._info = data, {}
        made.set_info(**info)
        return made

    @property
    def data(self) -> Dataset:
        """The rows as the rest of the library knows them."""
        return self._data

    def set_info(self, **given: Any) -> None:
        """Set labels, weights, margins, queries or bounds by name.

        Raises:
            ValueError: A name that is not known, or a length that does not fit.
        """
        for name, value in given.items():
            if name in _IDLE or value is None:
                continue
            if name not in INFO:
                raise unknown("field", name, INFO)
            if name == "feature_weights":
                raise ValueError("feature_weights is not offered: columns are drawn evenly.")
            whole = name in ("group", "qid")
            self._info[name] = check_array(
                name, _values(value), ndim=(1, 2), dtype=np.int64 if whole else np.float32
            )
        self._data = replace(self._data, **self._settled())

    def _settled(self) -> dict[str, Any]:
        info = self._info
        out: dict[str, Any] = {
            name: info[name] for name in ("label", "weight", "base_margin") if name in info
        }
        # XGBoost drops what is empty.
        out = {name: value for name, value in out.items() if value.size or not len(self._data)}
        if "qid" in info:
            out["group_offsets"] = offsets_of(info["qid"])
        elif "group" in info:
            out["group_offsets"] = _offsets(info["group"], len(self._data))
        bounds = [info.get(f"label_{side}_bound") for side in ("lower", "upper")]
        if bounds[0] is not None and bounds[1] is not None:
            out["label_bounds"] = np.stack([b.reshape(-1) for b in bounds], axis=1)  # type: ignore[union-attr]
        return out

    def num_row(self) -> int:
        """Return the number of rows."""
        return len(self.data)

    def num_col(self) -> int:
        """Return the number of features."""
        return self.data.n_features

    def num_nonmissing(self) -> int:
        """Return the number of values that are not missing."""
        return int(np.count_nonzero(~np.isnan(self.data.x)))

    def get_label(self) -> NDArray[np.float32]:
        """Return the labels, (n,) or (n, targets); empty where there are none."""
        return _flat(self.data.label)

    def get_weight(self) -> NDArray[np.float32]:
        """Return the weights; empty where there are none."""
        return _flat(self._info.get("weight"))

    def get_base_margin(self) -> NDArray[np.float32]:
        """Return the margins to start from; empty where there are none."""
        return _flat(self.data.base_margin)

    def get_group(self) -> NDArray[np.uint32]:
        """Return the number of rows of each query."""
        offsets = self.data.group_offsets
        return np.diff(np.zeros(0) if offsets is None else offsets).astype(np.uint32)

    def get_float_info(self, field: str) -> NDArray[np.float32]:
        """Return labels, weights, margins or bounds by name; empty where there are none.

        Raises:
            ValueError: Another name.
        """
        if field not in INFO[:5]:
            raise unknown("field", field, INFO[:5])
        return _flat(self._info.get(field))

    def get_uint_info(self, field: str) -> NDArray[np.uint32]:
        """Return where queries begin, for ``group_ptr``.

        Raises:
            ValueError: Another name.
        """
        if field != "group_ptr":
            raise unknown("field", field, ["group_ptr"])
        offsets = self.data.group_offsets
        return np.zeros(0, np.uint32) if offsets is None else offsets.astype(np.uint32)

    def set_label(self, label: ArrayLike) -> None:
        """Set the labels."""
        self.set_info(label=label)

    def set_weight(self, weight: ArrayLike) -> None:
        """Set the weights."""
        self.set_info(weight=weight)

    def set_base_margin(self, margin: ArrayLike) -> None:
        """Set the margins to start from."""
        self.set_info(base_margin=margin)

    def set_group(self, group: ArrayLike) -> None:
        """Set the number of rows of each query."""
        self._info.pop("qid", None)
        self.set_info(group=group)

    def set_float_info(self, field: str, data: ArrayLike) -> None:
        """Set labels, weights, margins or bounds by name."""
        self.set_info(**{field: data})

    def set_uint_info(self, field: str, data: ArrayLike) -> None:
        """Set the number of rows of each query, by the name ``group``."""
        self.set_info(**{field: data})

    def get_data(self) -> Any:
        """Return the values that are not missing, a scipy CSR matrix."""
        from scipy.sparse import csr_matrix

        x = self.data.x
        held = ~np.isnan(x)
        ends = np.concatenate([[0], np.cumsum(held.sum(axis=1))])
        return csr_matrix((x[held], np.nonzero(held)[1], ends), shape=x.shape)

    def slice(self, rindex: ArrayLike, allow_groups: bool = False) -> "DMatrix":
        """Return some of the rows.

        Args:
            rindex: Their numbers.
            allow_groups: Whether rows that have queries may be taken; the queries are lost.

        Raises:
            ValueError: The rows have queries and that is not allowed.
        """
        if self.data.group_offsets is not None and not allow_groups:
            raise ValueError("slice would take queries apart: pass allow_groups=True to drop them.")
        rows = check_array("rindex", rindex, ndim=1, dtype=np.int64)
        lost = ("group", "qid")
        bare = replace(self.data, group_offsets=None, label=None, weight=None, base_margin=None,
                       label_bounds=None)  # fmt: skip
        info = {name: value[rows] for name, value in self._info.items() if name not in lost}
        return DMatrix.of(bare.take(rows), info)

    def get_categories(self) -> dict[str, tuple[object, ...]]:
        """Return what the numbers of each column of categories stand for, by name."""
        data = self.data
        names = data.feature_names or tuple(f"f{k}" for k in range(data.n_features))
        return {name: words for name, words in zip(names, data.categories) if words}

    def get_quantile_cut(self) -> None:
        """Raise NotImplementedError: cuts belong to the training here, not to the rows."""
        raise NotImplementedError("get_quantile_cut is not offered: training cuts the columns.")

    def save_binary(self, fname: Any, silent: bool = True) -> None:
        """Raise NotImplementedError: XGBoost's binary rows are not written."""
        raise NotImplementedError("save_binary is not offered: keep the table itself.")

    @property
    def feature_names(self) -> list[str] | None:
        """The features' names, or None."""
        return list(self.data.feature_names) or None

    @feature_names.setter
    def feature_names(self, names: Sequence[str] | None) -> None:
        self._data = replace(self._data, feature_names=tuple(map(str, names or ())))

    @property
    def feature_types(self) -> list[str] | None:
        """XGBoost's word for each column, or None where the data had no types."""
        return list(self.data.feature_types) or None

    @feature_types.setter
    def feature_types(self, types: Sequence[str] | None) -> None:
        held = _types(types, self.num_col())
        mask = np.array([kind == "c" for kind in held or ()])
        self._data = replace(
            self._data,
            feature_types=tuple(held or ()),
            categorical=mask if mask.any() else None,
        )


def _read(
    data: Any, missing: float | None, types: Sequence[str] | None, enable_categorical: bool
) -> Table:
    value = np.nan if missing is None else missing
    if is_frame(data):
        try:
            return read_table(
                data, missing=value, categorical="from_dtype" if enable_categorical else None
            )
        except TypeError as error:
            hint = " Pass enable_categorical=True." if "make it categorical" in str(error) else ""
            raise TypeError(f"{error}{hint}") from None
    table = read_table(data, missing=value, categorical=None)
    held = _types(types, table.x.shape[1])
    mask = np.array([kind == "c" for kind in held or ()])
    return replace(
        table,
        columns=Columns(categorical=mask if mask.any() else None),
        types=tuple(held or ()),
    )


def _types(types: Sequence[str] | None, width: int) -> list[str] | None:
    if types is None:
        return None
    held = [types] * width if isinstance(types, str) else list(map(str, types))
    if len(held) != width:
        raise ValueError(f"feature_types must have {width} entries. Got {len(held)}.")
    known = ("q", "float", "int", "i", "c")
    strange = next((kind for kind in held if kind not in known), None)
    if strange is not None:
        raise ValueError(
            f"feature_types must be of {', '.join(known)}. Got {strange!r}."
            f"{did_you_mean(strange, known)}"
        )
    return held


def _values(value: Any) -> Any:
    """Return a column as an array: a series, or a frame of several targets, or what numpy takes."""
    return np.asarray(value)


def _offsets(group: NDArray[Any], rows: int) -> NDArray[np.int64]:
    offsets = np.concatenate([[0], np.cumsum(group.reshape(-1))]).astype(np.int64)
    if offsets[-1] != rows or (group < 0).any():
        raise ValueError(f"group must hold sizes that sum to {rows} rows. Got {offsets[-1]}.")
    return offsets


def _flat(column: NDArray[Any] | None) -> NDArray[np.float32]:
    if column is None:
        return np.zeros(0, np.float32)
    return column[:, 0] if column.ndim == 2 and column.shape[1] == 1 else column
