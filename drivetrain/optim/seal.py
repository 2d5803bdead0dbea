"""Tells in microseconds whether thousands of parameters and their states are as they were.

Objects are compared by identity, and what may change under the same object, such as the memory
of ``p.data = ...``, is read through torch's C interface (``handles.py``). All of it is done by
compiled loops that touch no more memory than they must: at a step the caches are cold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drivetrain.optim import _numba
from drivetrain.optim.handles import address_of, c_interface

Words = NDArray[np.int64]
Groups = Sequence[dict[str, Any]]
_GRAD = attrgetter("grad")


class Member(NamedTuple):
    """What a row of addresses is about.

    Attributes:
        param: The parameter.
        grad: Its gradient.
        state: Its entry of the optimizer's state.
        keys: The state's keys of the columns from the step's on; ``""`` for a column unused.
    """

    param: Tensor
    grad: Tensor
    state: Mapping[str, Any]
    keys: tuple[str, ...]


@dataclass(kw_only=True)
class Seal:
    """What a table was made of; it holds the objects, so that no other takes their address.

    Gradients are not among them: holding those would keep them alive through the next backward.
    """

    abi: Words
    lists: list[list[Tensor]]
    params: list[Tensor]
    listed: list[Words]
    has_grad: NDArray[np.bool_]
    lazy: list[int]
    entries: Words
    dicts: Words
    keys: Words
    values: Words
    owners: Words
    handles: Words
    storages: Words
    prints: Words
    bases: Words
    places: Words
    held: list[Any]

    @classmethod
    def of(
        cls, rows: Words, members: Sequence[Member], groups: Groups, state: Mapping[Any, Any]
    ) -> "Seal | None":
        """Return the seal of a table, or None where it cannot be had and must be built anew."""
        abi = c_interface()
        if abi is None:
            return None
        handles, storages = _handles(rows, members)
        prints, bases = np.zeros(rows.shape, dtype=np.int64), np.zeros(rows.shape, dtype=np.int64)
        if not _numba.sign(abi, handles, storages, rows, prints, bases) or (prints == -1).any():
            return None
        lists = [group["params"] for group in groups]
        if any(type(listed) is not list for listed in lists):
            return None
        params = [param for listed in lists for param in listed]
        place = {id(param): i for i, param in enumerate(params)}
        keys, values = _items(rows, members)
        return cls(
            abi=abi,
            lists=lists,
            params=params,
            listed=[_words(map(id, listed)) for listed in lists],
            has_grad=np.array([param.grad is not None for param in params], dtype=np.bool_),
            lazy=[i for i, p in enumerate(params) if _may_be_marked(p)],
            entries=_words(id(x) for pair in state.items() for x in pair).reshape(-1, 2),
            dicts=_words(id(member.state) for member in members),
            keys=keys,
            values=values,
            owners=_words(id(member.param) for member in members),
            handles=handles,
            storages=storages,
            prints=prints,
            bases=bases,
            places=_words(place[id(member.param)] for member in members),
            held=[
                *state.items(),
                *([*m.state.items()] for m in members),
                *(m.keys for m in members),
            ],
        )

    def holds(self, rows: Words, groups: Groups, state: Mapping[Any, Any]) -> bool:
        """Write the gradients' addresses to ``rows``; tell whether all else is as it was."""
        if not self._same_objects(groups, state):
            return False
        if not _numba.same_params(self.abi, self.owners, self.handles):
            return False
        grads = np.fromiter(map(_GRAD, self.params), object, len(self.params))
        # A pending conjugation or negation is a mark on the tensor, not in its memory. Strided
        # like its parameter, only a complex or a one-element gradient can bear one.
        for i in self.lazy:
            if grads[i] is not None and (grads[i].is_conj() or grads[i].is_neg()):
                return False
        lies = address_of(grads)
        return bool(
            _numba.same_presence(lies, id(None), self.has_grad)
            and (
                not len(rows)
                or _numba.refresh(
                    self.abi,
                    self.handles,
                    self.storages,
                    self.prints,
                    self.bases,
                    lies,
                    self.places,
                    rows,
                )
            )
        )

    def _same_objects(self, groups: Groups, state: Mapping[Any, Any]) -> bool:
        if len(groups) != len(self.lists):
            return False
        for group, listed, expected in zip(groups, self.lists, self.listed):
            if group["params"] is not listed:
                return False
            if not _numba.same_list(self.abi, id(listed), expected):
                return False
        return bool(
            _numba.same_dict(self.abi, id(state), self.entries)
            and _numba.same_items(self.abi, self.dicts, self.keys, self.values)
        )


def _may_be_marked(param: Tensor) -> bool:
    # A lazy module's parameter has no size before its first forward, nor has it a gradient.
    lazy = isinstance(param, torch.nn.UninitializedParameter)
    return lazy or param.is_complex() or param.numel() == 1


def _words(numbers: Any) -> Words:
    return np.array(list(numbers), dtype=np.int64)


def _handles(rows: Words, members: Sequence[Member]) -> tuple[Words, Words]:
    """Return the addresses of the C++ tensors of each row, and those of their storages."""
    handles, storages = np.zeros(rows.shape, dtype=np.int64), np.zeros(rows.shape, dtype=np.int64)
    for row, (param, grad, state, keys) in enumerate(members):
        tensors = [param, grad, *(state[key] if key else None for key in keys)]
        for column, tensor in enumerate(tensors):
            if tensor is not None:
                handles[row, column] = tensor._cdata
                storages[row, column] = tensor.untyped_storage()._cdata
    return handles, storages


def _items(rows: Words, members: Sequence[Member]) -> tuple[Words, Words]:
    """Return the ids of each row's keys and of the tensors under them; 0 for a column unused."""
    keys = np.zeros((len(rows), rows.shape[1] - _numba.STEP), dtype=np.int64)
    values = np.zeros_like(keys)
    for row, member in enumerate(members):
        for column, key in enumerate(member.keys):
            if key:
                keys[row, column] = id(key)
                values[row, column] = id(member.state[key])
    return keys, values
