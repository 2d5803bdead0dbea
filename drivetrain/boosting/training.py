"""The loop: gradients, a tree a group, margins; round after round."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.callbacks import Callback, History
from drivetrain.boosting.dart import Dart
from drivetrain.boosting.dataset import Dataset, check_values
from drivetrain.boosting.linear.settings import Linear
from drivetrain.boosting.methods import check_methods
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.rounds import Rounds
from drivetrain.boosting.running import Running, run_all
from drivetrain.core.checks import check_choice, check_integer, check_real
from drivetrain.trees.growing.settings import Growth

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How boosting runs.

    Attributes:
        n_estimators: Rounds; each grows one tree a group, or ``num_parallel_tree``.
        learning_rate: What each tree's weights are multiplied by.
        growth: How a tree grows.
        max_bin: Most bins of a feature.
        num_parallel_tree: Trees a group and round, each on its own draw of rows and columns; they
            share the learning rate. With one round: a random forest.
        subsample: Share of the rows a tree uses.
        sampling_method: ``uniform``; ``gradient_based``, in proportion to sqrt(g² + λh²), as
            XGBoost on GPUs; ``goss``, the rows of large gradients and some of the others, as
            LightGBM.
        top_rate: Share of the rows that goss keeps for their gradients.
        other_rate: Share of the rows that goss draws from the others.
        booster: ``gbtree``, ``dart``, or ``gblinear`` (see ``drivetrain.boosting.linear``).
        dart: How dart drops trees.
        linear: How gblinear changes its weights; it has a learning rate of its own.
        multi_strategy: ``one_output_per_tree``, or ``multi_output_tree`` for one tree a round
            with a vector of all outputs in each leaf.
        tree_method: ``hist``, on bins cut once; ``approx``, on bins cut for every tree; ``exact``,
            on every value.
        sketch: Whether approx proposes its cuts once a tree (``global``) or in every node
            (``local``).
        histogram: ``packed`` whole numbers, or ``float``: with ``cuts="quantile"`` and as many
            bins, XGBoost's own trees, node for node.
        cuts: Where hist cuts: ``greedy`` keeps frequent values apart, ``quantile`` cuts where
            XGBoost does.
        linear_tree: Whether leaves hold lines, a ridge regression on the features of their path,
            as LightGBM's do.
        linear_lambda: L2 penalty of the lines' coefficients.
        random_state: Seed; the same seed gives the same bits for any number of threads.
        threads: Threads.
    """

    n_estimators: int = 100
    learning_rate: float = 0.3
    growth: Growth = field(default_factory=Growth)
    max_bin: int = 255
    num_parallel_tree: int = 1
    subsample: float = 1.0
    sampling_method: Literal["uniform", "gradient_based", "goss"] = "uniform"
    top_rate: float = 0.2
    other_rate: float = 0.1
    booster: Literal["gbtree", "dart", "gblinear"] = "gbtree"
    dart: Dart = field(default_factory=Dart)
    linear: Linear = field(default_factory=Linear)
    multi_strategy: str = "one_output_per_tree"
    tree_method: Literal["hist", "exact", "approx"] = "hist"
    sketch: Literal["global", "local"] = "global"
    histogram: Literal["packed", "float"] = "packed"
    cuts: Literal["greedy", "quantile"] = "greedy"
    linear_tree: bool = False
    linear_lambda: float = 0.0
    random_state: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        check_integer("n_estimators", self.n_estimators, low=0)
        check_real("learning_rate", self.learning_rate, low=0)
        check_integer("max_bin", self.max_bin, low=2, high=65535)
        check_integer("num_parallel_tree", self.num_parallel_tree, low=1)
        check_real("subsample", self.subsample, low=0, high=1, open_low=True)
        methods = ("uniform", "gradient_based", "goss")
        check_choice("sampling_method", self.sampling_method, methods)
        check_real("top_rate", self.top_rate, low=0, high=1, open_high=True)
        check_real("other_rate", self.other_rate, low=0, high=1, open_low=True)
        check_choice("booster", self.booster, ("gbtree", "dart", "gblinear"))
        strategies = ("one_output_per_tree", "multi_output_tree")
        check_choice("multi_strategy", self.multi_strategy, strategies)
        check_real("linear_lambda", self.linear_lambda, low=0)
        check_integer("random_state", self.random_state, low=0)
        check_integer("threads", self.threads, low=1)
        check_methods(self)
        self._check_together()

    def _check_together(self) -> None:
        if self.sampling_method == "goss" and self.subsample < 1:
            raise ValueError(
                f"sampling_method='goss' draws by top_rate and other_rate: subsample must be 1. "
                f"Got subsample={self.subsample}."
            )
        if self.top_rate + self.other_rate > 1:
            raise ValueError(
                f"top_rate + other_rate must be <= 1. Got {self.top_rate} + {self.other_rate}."
            )
        if self.booster != "dart" and self.dart != Dart():
            raise ValueError(f"dart is read by booster='dart' only. Got booster={self.booster!r}.")
        if self.booster != "gblinear" and self.linear != Linear():
            raise ValueError(
                f"linear is read by booster='gblinear' only. Got booster={self.booster!r}."
            )
        for name, plain in (("tree_method", "hist"), ("multi_strategy", "one_output_per_tree")):
            given = getattr(self, name)
            if self.booster == "gblinear" and given != plain:
                raise ValueError(f"booster='gblinear' grows no trees. Got {name}={given!r}.")
        if self.booster == "gblinear" and self.num_parallel_tree > 1:
            raise ValueError(
                "booster='gblinear' grows no trees: num_parallel_tree must be 1. "
                f"Got {self.num_parallel_tree}."
            )
        if self.booster == "gblinear" and (self.subsample < 1 or self.sampling_method == "goss"):
            raise ValueError(
                "booster='gblinear' uses every row: subsample must be 1 and sampling_method not "
                f"'goss'. Got subsample={self.subsample}."
            )


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is evaluated after each round, and when to stop.

    Attributes:
        sets: Evaluation sets by name; the last decides about stopping.
        metrics: Names; the objective's own where empty. The last decides about stopping.
        custom: Your own metrics by name, of predictions and data; they follow the others.
        patience: Rounds without a better value before stopping; 0 never stops.
        callbacks: What is called around the rounds.
        after_round: Called with the round's number and all values; True stops.
        verbose_eval: Whether to print the values; a number prints every so many rounds.
        history: What was seen before a checkpoint, to go on from.
    """

    sets: Mapping[str, Dataset] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    custom: Mapping[str, Callable[[Floats, Dataset], float]] = field(default_factory=dict)
    patience: int = 0
    callbacks: tuple[Callback, ...] = ()
    after_round: Callable[[int, History], bool] | None = None
    verbose_eval: bool | int = False
    history: History | None = None


def boost(
    data: Dataset,
    objective: Objective,
    settings: Settings,
    *,
    watch: Watch | None = None,
    start: Booster | None = None,
) -> tuple[Booster, History]:
    """Return a model of trees learned from the data, and what was seen on the way.

    Args:
        data: Rows with labels.
        objective: What is minimized.
        settings: How.
        watch: What to evaluate and when to stop.
        start: A model to continue; its trees are kept. 10 rounds and 10 more are 20 rounds, to
            the bit.

    Raises:
        ValueError: No rows, no features, infinite values, labels the objective refuses.
    """
    if settings.booster == "gblinear":
        raise ValueError("booster='gblinear' has no trees: call boost_linear or boost_any.")
    watch = watch or Watch()
    data = ready(data, objective)
    check_watched(watch.sets, objective)
    rounds = Rounds(data, objective, settings, sets=watch.sets, start=start)
    running = Running(rounds, watch, objective)
    run_all(running, settings.n_estimators, watch)
    return running.finish(), running.history


def ready(data: Dataset, objective: Objective) -> Dataset:
    """Return the rows that count, checked.

    Raises:
        ValueError: Training cannot begin; the message says why.
    """
    check_dataset(data)
    objective.check(data)
    if data.weight is not None and not data.weight.all():
        # Rows of weight 0 have no influence at all, not on the cuts either.
        return data.take(np.flatnonzero(data.weight))
    return data


def check_watched(sets: Mapping[str, Dataset], objective: Objective) -> None:
    """Raise a ValueError that names the set to evaluate whose rows training would refuse too."""
    for name, one in sets.items():
        try:
            check_dataset(one)
            objective.check(one)
        except ValueError as error:
            raise ValueError(f"Evaluation set {name!r}: {error}") from None


def check_dataset(data: Dataset) -> None:
    """Raise a ValueError where training cannot begin: what is empty, infinite or negative."""
    if not len(data):
        raise ValueError("x must have at least one row. Got none.")
    if not data.n_features:
        raise ValueError("x must have at least one feature. Got none.")
    if data.table is None:
        check_values(data.x, data.categorical)
    if data.weight is not None:
        wrong = np.flatnonzero(~(data.weight >= 0) | np.isinf(data.weight))
        if len(wrong):
            got = f"{data.weight[wrong[0]]} in row {wrong[0]}"
            raise ValueError(f"weight must be >= 0 and finite. Got {got}.")
        if not data.weight.any():
            raise ValueError("weight must not be 0 for every row.")
