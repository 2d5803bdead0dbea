"""LambdaMART: the objectives of ranking."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.objective import (
    Gradient,
    Objective,
    one_label,
    refuse_labels,
)
from drivetrain.boosting.objectives.ranking import _numba as kernels
from drivetrain.boosting.objectives.ranking.lists import Lists, lists_of
from drivetrain.core.checks import check_choice, check_integer, check_real

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
#: Places whose bias is tracked where pairs are not cut off at a place.
_MOST_PLACES = 32
_KINDS = {
    "rank:pairwise": kernels.PAIRWISE,
    "rank:ndcg": kernels.NDCG,
    "rank:map": kernels.MAP,
}
_GREATEST_LABEL = 31


@dataclass(frozen=True, kw_only=True)
class LambdaRank:
    """Σ over pairs y_i > y_j of a query: |ΔZ_ij| log(1 + exp(f_j - f_i)).

    ΔZ is what exchanging the two in the list the model makes changes: the NDCG
    (``rank:ndcg``), the average precision (``rank:map``), or 1 (``rank:pairwise``). Parameters
    are XGBoost's, with its defaults.

    Attributes:
        name: ``rank:ndcg``, ``rank:map`` or ``rank:pairwise``.
        pair_method: ``topk`` pairs the rows the model places first with all below them;
            ``mean`` draws pairs of unequal label for each row.
        num_pair_per_sample: How many places, 32 by default, or pairs, 1 by default.
        normalization: Whether a query's gradients are scaled down by log2(1 + Σ|λ|) / Σ|λ|
            (``topk``), or by the number of pairs (``mean``).
        score_normalization: Whether ΔZ is divided by .01 + |f_i - f_j|.
        unbiased: Whether clicks' bias towards early places is estimated and taken out; rows
            must then stand in the order in which they were shown.
        bias_norm: Regularizes that estimate, p of the L_p of the paper.
        exp_gain: Whether a label's gain is 2^y - 1, or y.
        t_plus: Bias of each place estimated so far, of clicked rows.
        t_minus: Of rows not clicked.

    References:
        Burges: From RankNet to LambdaRank to LambdaMART: An Overview, MSR-TR-2010-82.
        Hu, Wang, Peng, Li: Unbiased LambdaMART, WWW 2019, eq. 30 and 31.
    """

    name: str = "rank:ndcg"
    pair_method: str = "topk"
    num_pair_per_sample: int | None = None
    normalization: bool = True
    score_normalization: bool = True
    unbiased: bool = False
    bias_norm: float = 1.0
    exp_gain: bool = True
    t_plus: tuple[float, ...] = field(default=(), repr=False)
    t_minus: tuple[float, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        check_choice("objective", self.name, _KINDS)
        check_choice("lambdarank_pair_method", self.pair_method, ("topk", "mean"))
        if self.num_pair_per_sample is not None:
            check_integer("lambdarank_num_pair_per_sample", self.num_pair_per_sample, low=1)
        check_real("lambdarank_bias_norm", self.bias_norm, low=0)

    @property
    def pairs(self) -> int:
        """Places that are paired, or pairs drawn for each row."""
        if self.num_pair_per_sample is not None:
            return self.num_pair_per_sample
        return 32 if self.pair_method == "topk" else 1

    @property
    def metric(self) -> str:
        """``ndcg`` or ``map``, at the places that are paired."""
        stem = "map" if self.name == "rank:map" else "ndcg"
        return f"{stem}@{self.pairs}" if self.pair_method == "topk" else stem

    def groups(self, data: Dataset) -> int:
        """Return 1."""
        return 1

    def check(self, data: Dataset) -> None:
        """Raise a ValueError without queries, or where a label or weight does not fit."""
        if data.group_offsets is None:
            raise ValueError(f"{self.name} needs queries: group_offsets (or qid) is missing.")
        one_label(data, self.name)
        longest = int(np.diff(data.group_offsets).max(initial=0))
        if longest > kernels.LONGEST:
            raise ValueError(f"a query must have at most {kernels.LONGEST} rows. Got {longest}.")
        check_relevance(data, self.name, self.exp_gain)

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return the lambdas of the first round."""
        return self.stage(data).gradients(margin, 0)

    def stage(self, data: Dataset, *, threads: int = 1) -> "Ranking":
        """Return the objective at work on the data."""
        return Ranking(self, data, threads=threads)

    def continued(self, before: Objective) -> "LambdaRank":
        """Return the loss with the bias of places that the same loss has estimated before."""
        if self.t_plus or not isinstance(before, LambdaRank):
            return self
        same = replace(before, t_plus=(), t_minus=()) == self
        return before if same else self

    def start(self, data: Dataset) -> Floats:
        """Return 0: only differences count."""
        return np.zeros(1, np.float32)

    def to_margin(self, score: Floats) -> Floats:
        """Return the score."""
        return score

    def predict(self, margin: Floats) -> Floats:
        """Return the margin, (n,)."""
        return margin[:, 0]


def check_relevance(data: Dataset, name: str, exp_gain: bool) -> None:
    """Raise a ValueError that names the first label the metric has no gain for."""
    y = data.labels
    if name == "rank:map":
        refuse_labels(data, (y != 0) & (y != 1), f"0 or 1 for {name}")
    elif name == "rank:ndcg" and exp_gain:
        wrong = ~((y >= 0) & (y <= _GREATEST_LABEL) & (y == np.floor(y)))
        wanted = f"a whole number from 0 to {_GREATEST_LABEL} (or set ndcg_exp_gain to false)"
        refuse_labels(data, wrong, wanted)
    else:
        refuse_labels(data, ~((y >= 0) & np.isfinite(y)), ">= 0 and finite")


class Ranking:
    """A `LambdaRank` at work: what it knows of the lists, and the bias it has estimated.

    Args:
        loss: The objective.
        data: Rows with queries.
        threads: Threads over the queries; the lambdas are the same bits for any number.
    """

    def __init__(self, loss: LambdaRank, data: Dataset, *, threads: int = 1) -> None:
        self.loss = loss
        self.threads = threads
        topk = loss.pair_method == "topk"
        self.lists: Lists = lists_of(
            data, most=loss.pairs if topk else None, exp_gain=loss.exp_gain
        )
        places = 0
        if loss.unbiased:
            places = loss.pairs if topk else min(self.lists.longest, _MOST_PLACES)
        self.bias = np.stack([_bias(loss.t_plus, places), _bias(loss.t_minus, places)])
        self._place, self._scale = self.lists.discount, self.lists.inverse
        if loss.name == "rank:map":
            self._place = 1 / np.arange(1.0, self.lists.longest + 1)
            self._scale = self.lists.per_relevant

    @property
    def objective(self) -> LambdaRank:
        """The objective with the bias estimated so far."""
        plus, minus = (tuple(map(float, one)) for one in self.bias)
        return replace(self.loss, t_plus=plus, t_minus=minus)

    def gradients(self, margin: Floats, number: int) -> tuple[Gradient, Gradient]:
        """Return the lambdas g and their slopes h, (n, 1)."""
        lists, unbiased = self.lists, self.loss.unbiased
        score = np.ascontiguousarray(margin[:, 0])
        g, h = (np.zeros(len(score), np.float32) for _ in range(2))
        cost = np.zeros((2, len(score) if unbiased else 0))
        given: tuple[Any, ...] = (
            ((number + 1) * len(lists)) & 0xFFFFFFFF,
            *(lists.offsets, score, lists.label, lists.gains, self._place, self._scale),
            *(lists.weight, self._rules(), self.bias, g, h, cost),
        )
        shares = lists.shares(self.threads)
        if len(shares) == 1:
            kernels.lambdas(0, len(lists), *given)
        else:
            with ThreadPoolExecutor(self.threads) as executor:
                tasks = [executor.submit(kernels.lambdas, *share, *given) for share in shares]
                for task in tasks:
                    task.result()
        if unbiased:
            self.bias = np.stack([self._estimate(*pair) for pair in zip(cost, self.bias)])
        return g[:, None], h[:, None]

    def _rules(self) -> NDArray[np.int64]:
        loss = self.loss
        flags = (loss.normalization, loss.score_normalization)
        return np.array([_KINDS[loss.name], loss.pairs, loss.pair_method == "mean", *flags], int)

    def _estimate(self, cost: Doubles, before: Doubles) -> Doubles:
        """Return the bias of each place: its share of the first place's loss, to 1/(1 + p)."""
        offsets = self.lists.offsets
        sums = np.zeros(len(before))
        for place in range(len(before)):
            rows = offsets[:-1] + place
            sums[place] = cost[rows[rows < offsets[1:]]].sum()
        if sums[0] < 1e-16:
            return before
        return (sums / sums[0]) ** (1 / (1 + self.loss.bias_norm))


def _bias(known: tuple[float, ...], places: int) -> Doubles:
    return np.array(known, np.float64) if len(known) == places else np.ones(places)
