"""A reader of chunks that is asked several times, and watched: it must say the same each time."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.chunks.chunk import Chunk, settled
from drivetrain.boosting.dataset import check_values

Floats = NDArray[np.float32]
Read = Callable[[], Iterable[Any]]

# Rows are numbered in 32 bits.
_MOST_ROWS = 1 << 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    """What the first pass saw.

    Attributes:
        features: Number of columns of x.
        sizes: Rows of each chunk.
        checksums: Of the values of each chunk.
        high: Greatest value of each column, -inf where there is none, (F,).
        known: Labels, weights and so on, of all rows.
    """

    features: int
    sizes: tuple[int, ...]
    checksums: tuple[int, ...]
    high: Floats
    known: dict[str, NDArray[Any]]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(self.sizes)


class Source:
    """Chunks that can be read again and again.

    Args:
        read: Returns the chunks from the first on, each time it is called.
        categorical: Columns that hold whole numbers of categories, (F,).

    Raises:
        ValueError: A chunk that does not fit; it is named by its number, from 0.
    """

    def __init__(self, read: Read, categorical: NDArray[np.bool_] | None = None) -> None:
        self.read = read
        self.categorical = categorical
        self.survey = self._surveyed()

    def _surveyed(self) -> Survey:
        sizes: list[int] = []
        sums: list[int] = []
        known: dict[str, list[NDArray[Any]]] = {}
        high = np.empty(0, np.float32)
        for number, chunk in enumerate(self._chunks()):
            x = chunk.x
            if not number:
                known = {name: [] for name in chunk.known()}
                high = np.full(x.shape[1], -np.inf, np.float32)
            self._fits(chunk, f"chunk {number}", len(high), known)
            high = np.fmax(high, np.fmax.reduce(x, axis=0, initial=-np.inf))
            for name, column in chunk.known().items():
                known[name].append(column)
            sizes.append(len(x))
            sums.append(chunk.checksum)
        if not sizes:
            raise ValueError("read must yield at least one chunk. Got none.")
        if sum(sizes) >= _MOST_ROWS:
            raise ValueError(f"data must have fewer than {_MOST_ROWS} rows. Got {sum(sizes)}.")
        return Survey(
            features=len(high),
            sizes=tuple(sizes),
            checksums=tuple(sums),
            high=high,
            known={name: np.concatenate(columns) for name, columns in known.items()},
        )

    def _chunks(self) -> Iterator[Chunk]:
        numbered = enumerate(self.read())
        return ahead(settled(given, f"chunk {number}") for number, given in numbered)

    def _fits(
        self, chunk: Chunk, where: str, features: int, known: dict[str, list[NDArray[Any]]]
    ) -> None:
        """Raise a ValueError unless a chunk has what the first has, and values to learn from."""
        if chunk.x.shape[1] != features:
            got = chunk.x.shape[1]
            raise ValueError(f"{where}: x must have {features} columns, as chunk 0. Got {got}.")
        held = chunk.known()
        if set(held) != set(known):
            first, own = sorted(known), sorted(held)
            raise ValueError(f"{where}: must have {first} beside x, as chunk 0. Got {own}.")
        for name, earlier in known.items():
            if earlier and earlier[0].shape[1:] != held[name].shape[1:]:
                wide = earlier[0].shape[1]
                got = held[name].shape[1]
                raise ValueError(f"{where}: {name} must have {wide} columns. Got {got}.")
        try:
            if self.categorical is None or len(self.categorical) == features:
                check_values(chunk.x, self.categorical)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """Yield each chunk's first row and its values, (m, F), once more.

        Raises:
            ValueError: A chunk is not what it was; it is named.
        """
        survey, first = self.survey, 0
        number = -1
        for number, chunk in enumerate(self._chunks()):
            if number == len(survey.sizes):
                raise ValueError(f"chunk {number} is new: the first pass had {number} chunks.")
            was = (survey.sizes[number], survey.features)
            if chunk.x.shape != was:
                raise ValueError(
                    f"chunk {number} changed between passes: it was of shape {was}, "
                    f"and is {chunk.x.shape}."
                )
            if chunk.checksum != survey.checksums[number]:
                raise ValueError(f"chunk {number} changed between passes: its values differ.")
            yield first, chunk.x
            first += len(chunk.x)
        if number + 1 < len(survey.sizes):
            raise ValueError(
                f"chunk {number + 1} is missing in a later pass: read must start again at the "
                "first chunk each time it is called."
            )


def ahead(items: Iterable[Any]) -> Iterator[Any]:
    """Yield the items, the next one made in a thread meanwhile."""
    waiting = iter(items)
    none = object()
    with ThreadPoolExecutor(1) as thread:
        pending = thread.submit(next, waiting, none)
        while (item := pending.result()) is not none:
            pending = thread.submit(next, waiting, none)
            yield item
