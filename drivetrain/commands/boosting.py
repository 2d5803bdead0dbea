"""Boosted trees from the shell: fit a table, predict, explain, convert model files."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.boosting.dataset import Dataset
    from drivetrain.boosting.objectives.objective import Objective
    from drivetrain.boosting.tables import Encoded

Threads = Annotated[int | None, tyro.conf.arg(metavar="INT")]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Grow a model on a CSV or Parquet table; words become categories, gaps stay gaps."""

    table: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TABLE")]
    """CSV with a header line, or Parquet."""
    target: str
    """The column to predict."""
    out: Path = Path("model.ubj")
    """The model, as XGBoost reads it: .ubj, else JSON."""
    objective: str = "auto"
    """XGBoost's name of a loss. auto: classes where the target holds words or is 0 and 1,
    squared error elsewhere."""
    rounds: int = 500
    """Most rounds of boosting."""
    early_stopping: int = 20
    """Rounds without improvement on the held-out rows before stopping; 0 for never."""
    holdout: float = 0.2
    """Share of the rows held out to watch."""
    learning_rate: float = 0.1
    """What each tree counts."""
    max_depth: int = 6
    """Greatest depth; 0 for no limit."""
    max_leaves: int = 0
    """Most leaves; 0 for no limit."""
    subsample: float = 1.0
    """Share of the rows a round uses."""
    seed: int = 0
    """Seed of all draws."""
    threads: Threads = None
    """Threads; all where not given. The model is the same bits for any number."""

    def __post_init__(self) -> None:
        from drivetrain.core.checks import check_integer, check_real

        check_integer("rounds", self.rounds, low=1)
        check_integer("early_stopping", self.early_stopping, low=0)
        check_real("holdout", self.holdout, low=0, high=1, open_low=True, open_high=True)

    def run(self) -> None:
        """Fit, print the watched metric, write the model."""
        from drivetrain.boosting.files.model import save_model
        from drivetrain.boosting.tables import encode, read_table, remember
        from drivetrain.boosting.training import Watch, boost
        from drivetrain.core.files import check_writable
        from drivetrain.core.progress import progress

        check_writable(self.out)
        columns = read_table(self.table)
        labels = _take(columns, self.target)
        encoded = encode(columns)
        objective, target, classes = _objective(self.objective, self.target, labels)
        train, held = _parted(encoded, target, self.holdout, self.seed)
        with progress("fit", self.rounds) as advance:

            def after(number: int, history: Any) -> bool:
                metric, values = list(history["held out"].items())[-1]
                advance(f"{metric} {values[-1]:.5g}")
                return False

            watch = Watch(sets={"held out": held}, patience=self.early_stopping, after_round=after)
            model, history = boost(train, objective, self._settings(), watch=watch)
        save_model(remember(model, encoded, classes), self.out)
        metric, values = list(history["held out"].items())[-1]
        best = model.best_round if model.best_round is not None else len(values) - 1
        print(f"{len(train):,} rows to fit, {len(held):,} held out, {model.n_features} features")
        print(f"{metric} held out {values[best]:.6g} after {best + 1} rounds ({objective.name})")
        print(f"{self.out}: {len(model.forest):,} trees")

    def _settings(self) -> Any:
        from drivetrain.boosting.estimators.parameters import threads_of
        from drivetrain.boosting.training import Settings
        from drivetrain.trees.growing.settings import Growth

        policy: Any = "lossguide" if self.max_leaves else "depthwise"
        return Settings(
            n_estimators=self.rounds,
            learning_rate=self.learning_rate,
            subsample=self.subsample,
            random_state=self.seed,
            threads=threads_of(self.threads),
            growth=Growth(max_depth=self.max_depth, max_leaves=self.max_leaves, grow_policy=policy),
        )


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Predict every row of a table by a saved model, ours or XGBoost's."""

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """A model of XGBoost's format, JSON or UBJSON."""
    table: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TABLE")]
    """CSV or Parquet with the model's columns, in any order."""
    out: Path = Path("predictions.csv")
    """One line a row: the value, or the probability of each class."""
    threads: Threads = None
    """Threads; all where not given."""

    def run(self) -> None:
        """Write the predictions."""
        from drivetrain.boosting.estimators.parameters import threads_of
        from drivetrain.boosting.files.model import load_model
        from drivetrain.boosting.tables import classes_of, encode_for, read_table

        model = load_model(self.model)
        encoded = encode_for(model, read_table(self.table))
        given = model.predict(encoded.x, threads=threads_of(self.threads))
        rows = given.reshape(len(given), -1)
        names = classes_of(model)
        if len(names) == rows.shape[1] > 1:
            header = [f"p({name})" for name in names]
        elif len(names) == 2:
            header = [f"p({names[1]})"]
        else:
            header = [f"prediction_{k}" if k else "prediction" for k in range(rows.shape[1])]
        _write_csv(self.out, header, rows)
        print(f"{self.out}: {len(rows):,} predictions")


@dataclass(frozen=True, kw_only=True)
class Explain:
    """How much each feature moved each prediction: exact Shapley values of every row."""

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """A model of XGBoost's format, JSON or UBJSON."""
    table: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TABLE")]
    """CSV or Parquet with the model's columns."""
    out: Path = Path("shap.csv")
    """One line a row: a value a feature and the base; a line sums to the margin."""
    threads: Threads = None
    """Threads; all where not given."""

    def run(self) -> None:
        """Write the values, and print the features that move most."""
        import numpy as np

        from drivetrain.boosting.estimators.parameters import threads_of
        from drivetrain.boosting.files.model import load_model
        from drivetrain.boosting.tables import encode_for, read_table
        from drivetrain.trees.shap.explainer import Explainer

        model = load_model(self.model).used
        encoded = encode_for(model, read_table(self.table))
        explainer = Explainer(model.forest, threads=threads_of(self.threads))
        values = explainer.values(encoded.x, model.objective.to_margin(model.base_score))
        groups = values.shape[1]
        names = [*encoded.names, "base"]
        header = [f"{name} [{k}]" if groups > 1 else name for k in range(groups) for name in names]
        _write_csv(self.out, header, values.reshape(len(values), -1))
        moved = np.abs(values[:, :, :-1]).mean(axis=(0, 1))
        for place in np.argsort(-moved, kind="stable")[:10]:
            print(f"{encoded.names[place]:<24}{moved[place]:>12.5g}")
        print(f"{self.out}: {len(values):,} rows; mean absolute Shapley values above")


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Turn a model file of XGBoost's into its other form: JSON to UBJSON and back."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """The model; its form is told by its bytes."""
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TARGET")]
    """Where to write: UBJSON for a name in .ubj, else JSON."""

    def run(self) -> None:
        """Read with every index checked, and write."""
        from drivetrain.boosting.files.model import load_model, save_model

        model = load_model(self.source)
        save_model(model, self.target)
        print(f"{self.target}: {len(model.forest):,} trees, {model.objective.name}")


def _take(columns: "dict[str, NDArray[Any]]", name: str) -> "NDArray[Any]":
    from drivetrain.core.errors import unknown

    if name not in columns:
        raise unknown("column", name, columns)
    if len(columns) == 1:
        raise ValueError(f"The table has no column but the target {name!r}.")
    return columns.pop(name)


def _objective(
    name: str, target: str, labels: "NDArray[Any]"
) -> "tuple[Objective, NDArray[np.float32], tuple[str, ...]]":
    """Return the loss, the labels as numbers, and what their classes are called."""
    import numpy as np

    from drivetrain.boosting.objectives.named import objective_named

    words = labels.dtype.kind != "f"
    absent = np.array([v is None for v in labels]) if words else np.isnan(labels)
    if absent.any():
        row = int(np.flatnonzero(absent)[0])
        raise ValueError(f"target {target!r} is missing in row {row} ({absent.sum()} in all).")
    binary = not words and set(np.unique(labels)) <= {0.0, 1.0}
    if not (words or (binary and name == "auto") or name.startswith("multi:")):
        chosen = "reg:squarederror" if name == "auto" else name
        return objective_named(chosen, {"quantile_alpha": 0.5}), labels.astype(np.float32), ()
    found, codes = np.unique(labels.astype(str) if words else labels, return_inverse=True)
    classes = tuple(str(one) if words else f"{one:g}" for one in found)
    chosen = name
    if name == "auto":
        chosen = "multi:softprob" if len(found) > 2 else "binary:logistic"
    return objective_named(chosen, {"num_class": len(found)}), codes.astype(np.float32), classes


def _parted(
    encoded: "Encoded", target: "NDArray[np.float32]", share: float, seed: int
) -> "tuple[Dataset, Dataset]":
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(target))
    count = min(max(1, round(share * len(target))), len(target) - 1)
    if count < 1:
        raise ValueError(f"The table must have at least 2 rows. Got {len(target)}.")
    data = encoded.dataset(label=target[:, None])
    return data.take(np.sort(order[count:])), data.take(np.sort(order[:count]))


def _write_csv(path: Path, header: list[str], rows: "NDArray[Any]") -> None:
    import io

    from drivetrain.core.files import write_text

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    # The shortest text that reads back to the same float.
    writer.writerows([[str(v) for v in row] for row in rows])
    write_text(path, text.getvalue())
