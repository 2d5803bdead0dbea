"""Rows that come in batches: gathered in memory, or read from where they are, again and again."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.boosting.compat.matrix import INFO, DMatrix
from drivetrain.boosting.dataset import Dataset

_COLUMNS = INFO[:5]


class DataIter(ABC):
    """Batches of rows; subclass it with ``next`` and ``reset``.

    Args:
        cache_prefix: What the folder of the bins is called, where they are kept on disk.
        **idle: XGBoost's other arguments, which change nothing here.
    """

    def __init__(self, cache_prefix: str | None = None, **idle: Any) -> None:
        self.cache_prefix = cache_prefix

    @abstractmethod
    def next(self, input_data: Any) -> bool | int:
        """Hand the next batch to ``input_data(data=, label=)``; return whether there was one."""

    @abstractmethod
    def reset(self) -> None:
        """Begin again."""

    def batches(self, **told: Any) -> Iterator[DMatrix]:
        """Yield all batches from the first on.

        Args:
            **told: What a DMatrix is told besides: ``missing``, ``enable_categorical``.
        """
        self.reset()
        given: list[DMatrix] = []

        def take(data: Any, **info: Any) -> None:
            given.append(DMatrix(data, **told, **info))

        while self.next(take):
            yield from given
            given.clear()


def gathered(source: DataIter, **told: Any) -> DMatrix:
    """Return all batches as one table in memory.

    Raises:
        ValueError: There is no batch.
    """
    parts = list(source.batches(**told))
    if not parts:
        raise ValueError("The iterator must give a batch. Got none.")
    first = parts[0].data
    info = {name: _joined(parts, name) for name in _COLUMNS}
    queries = [part.data.query_of_row for part in parts]
    if any(one is not None for one in queries):
        info["group"] = np.concatenate([part.get_group() for part in parts])
    x = np.concatenate([part.data.x for part in parts])
    data = Dataset(
        x=x,
        feature_names=first.feature_names,
        feature_types=first.feature_types,
        categorical=first.categorical,
        categories=first.categories,
    )
    return DMatrix.of(data, {name: value for name, value in info.items() if value is not None})


def _joined(parts: list[DMatrix], name: str) -> Any:
    columns = [part.get_float_info(name) for part in parts]
    return np.concatenate(columns) if any(len(one) for one in columns) else None


class QuantileDMatrix(DMatrix):
    """A DMatrix by another name: bins are made when training begins, for either.

    Args:
        data: A table as a DMatrix takes it, or a ``DataIter``, whose batches are gathered.
        label: Targets.
        max_bin: Not read: training's own ``max_bin`` counts.
        ref: Not read: evaluation rows need no bins.
        **told: Whatever a DMatrix is told.
    """

    def __init__(
        self,
        data: Any,
        label: Any = None,
        *,
        max_bin: int | None = None,
        ref: DMatrix | None = None,
        max_quantile_batches: int | None = None,
        **told: Any,
    ) -> None:
        if isinstance(data, DataIter):
            made = gathered(data, **told)
            self._data, self._info = made._data, made._info
        else:
            super().__init__(data, label, **told)


class ExtMemQuantileDMatrix(DMatrix):
    """Rows that stay where they are: read in batches, binned once, never all in memory.

    The model is the same bits as of the same rows in memory.

    Args:
        data: The batches.
        missing: The value that stands for a missing one.
        ref: Rows of training, whose bins then serve these.
        **idle: XGBoost's other arguments, which change nothing here.
    """

    def __init__(
        self,
        data: DataIter,
        *,
        missing: float | None = None,
        ref: DMatrix | None = None,
        enable_categorical: bool = False,
        **idle: Any,
    ) -> None:
        from drivetrain.boosting.chunks.chunk import Chunk
        from drivetrain.boosting.chunks.datasets import dataset_from_chunks

        told = {"missing": missing, "enable_categorical": enable_categorical}

        def read() -> Iterator[Chunk]:
            for part in data.batches(**told):
                rows = part.data
                yield Chunk(
                    x=rows.x,
                    label=rows.label,
                    weight=rows.weight,
                    base_margin=rows.base_margin,
                    label_bounds=rows.label_bounds,
                    qid=part._info.get("qid"),
                )

        first = next(data.batches(**told), None)
        if first is None:
            raise ValueError("The iterator must give a batch. Got none.")
        head = first.data
        self._info = {}
        self._data = dataset_from_chunks(
            read,
            feature_names=head.feature_names,
            categorical=head.categorical,
            categories=head.categories,
            cache=None if data.cache_prefix is None else Path(f"{data.cache_prefix}-bins"),
            reference=None if ref is None else ref.data,
        )
