"""Boosted trees from the shell: fit a table, predict, explain, convert model files."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from drivetrain.commands.boosted.flags import Loss, OptionalPath, Rows, Threads, Trees

if TYPE_CHECKING:
    from drivetrain.boosting.tables import Model
    from drivetrain.boosting.training import Settings
    from drivetrain.commands.boosted.fitting import Fitted
    from drivetrain.commands.boosted.rows import Parted

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
ModelPath = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
TablePath = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TABLE")]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Grow a model on a CSV or Parquet table, and write it with a report page.

    Words become categories, gaps stay gaps. Ctrl-C keeps the best rounds so far.
    """

    table: TablePath
    """CSV with a header line, or Parquet."""
    target: str
    """The column to predict."""
    out: Path = Path("model.ubj")
    """The model, as XGBoost reads it: .ubj, else JSON."""
    report: OptionalPath = None
    """The report page; beside the model where not given."""
    no_report: Flag = False
    """Write no report page."""
    rounds: int = 500
    """Most rounds of boosting."""
    early_stopping: int = 20
    """Rounds without improvement on the held-out rows before stopping; 0 for never."""
    resume: Flag = False
    """Go on with the run that was stopped and left --out; all else must be as it was."""
    start: OptionalPath = None
    """A model to grow further, ours or XGBoost's."""
    seed: int = 0
    """Seed of all draws."""
    threads: Threads = None
    """Threads; all where not given. The model is the same bits for any number."""
    rows: Annotated[Rows, tyro.conf.arg(name="")] = field(default_factory=Rows)
    loss: Annotated[Loss, tyro.conf.arg(name="")] = field(default_factory=Loss)
    trees: Annotated[Trees, tyro.conf.arg(name="")] = field(default_factory=Trees)

    def __post_init__(self) -> None:
        from drivetrain.core.checks import check_integer

        check_integer("rounds", self.rounds, low=1)
        check_integer("early_stopping", self.early_stopping, low=0)
        check_integer("seed", self.seed, low=0)
        if self.resume and self.trees.booster != "gbtree":
            # Dropped trees and lines change what is there: the best state is all they keep.
            raise ValueError(f"--resume goes on with gbtree only. Got {self.trees.booster}.")
        for one, other in (("resume", "start"), ("no_report", "report")):
            if getattr(self, one) and getattr(self, other):
                raise ValueError(f"--{one.replace('_', '-')} and --{other} exclude each other.")

    def run(self) -> int | None:
        """Fit, print what came out, write the model and its page."""
        from drivetrain.boosting.files.linear import save_any
        from drivetrain.boosting.tables import remember
        from drivetrain.commands.boosted.fitting import fit, recorded
        from drivetrain.commands.boosted.printed import print_fitted, print_plan
        from drivetrain.commands.boosted.rows import load

        page = self._page()
        parted = load(
            self.table,
            self.target,
            rows=self.rows,
            loss=self.loss,
            trees=self.trees,
            seed=self.seed,
        )
        start, history = self._beginning(parted.encoded.names)
        print_plan(self, parted, start)
        fitted = fit(
            parted,
            self._settings(parted, len(start) if start is not None and self.resume else 0),
            metrics=self.loss.metric,
            patience=self.early_stopping,
            start=start,
            history=history,
        )
        model = remember(fitted.model, parted.encoded, parted.classes)
        model = recorded(model, fitted.history, self.told())
        save_any(model, self.out)
        print_fitted(fitted, parted, self.out)
        if page is not None:
            self._write_page(page, model, parted, fitted)
        return 130 if fitted.interrupted else None

    def told(self) -> dict[str, Any]:
        """Return every flag that the model depends on, as plain data."""
        groups = {**asdict(self.rows), **asdict(self.loss), **asdict(self.trees)}
        own = {name: getattr(self, name) for name in ("table", "target", "rounds", "seed")}
        whole = {**own, "early_stopping": self.early_stopping, **groups}
        return {name: str(v) if isinstance(v, Path) else v for name, v in whole.items()}

    def _page(self) -> Path | None:
        """Return where the page goes; learn before the work what would keep it from there."""
        from drivetrain.core.errors import require
        from drivetrain.core.files import check_writable

        check_writable(self.out)
        if self.no_report:
            return None
        page = self.report or self.out.with_suffix(".html")
        if page.resolve() == self.out.resolve():
            raise ValueError(f"report must be another path than out. Got {page} twice.")
        check_writable(page)
        for package in ("matplotlib", "jinja2"):
            require(package, "drivetrain[report]")
        return page

    def _beginning(self, names: tuple[str, ...]) -> "tuple[Model | None, Any]":
        """Return the model to go on from, and what was seen of its rounds."""
        from drivetrain.boosting.files.linear import load_any
        from drivetrain.commands.boosted.fitting import check_same, check_start, remembered

        if self.start is not None:
            model = load_any(self.start).used
            check_start(model, names)
            return model, None
        if not self.resume or not self.out.exists():
            return None, None
        model = load_any(self.out)
        history, told = remembered(model)
        if not told:
            raise ValueError(f"{self.out} keeps no record of a run: --start goes on from it.")
        check_same(told, self.told())
        return model, history

    def _settings(self, parted: "Parted", done: int) -> "Settings":
        from drivetrain.boosting.params import settings_of

        given = parted.given | {"random_state": self.seed, "n_jobs": self.threads}
        return settings_of(given, parted.encoded.names, max(0, self.rounds - done))

    def _write_page(self, page: Path, model: "Model", parted: "Parted", fitted: "Fitted") -> None:
        from drivetrain.gallery.boosting_report.build import write_report
        from drivetrain.gallery.boosting_report.subject import Subject

        subject = Subject(
            model=model.used,
            train=parted.train,
            held=parted.held,
            history=fitted.history,
            classes=parted.classes,
            target=self.target,
            source=str(self.table),
            how=parted.how,
            settings=self.told(),
            seconds=fitted.seconds,
        )
        write_report(subject, page, seed=self.seed)
        print(f"{page}: the report")


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Predict every row of a table by a saved model, ours or XGBoost's."""

    model: ModelPath
    """A model of XGBoost's format, JSON or UBJSON."""
    table: TablePath
    """CSV or Parquet with the model's columns, in any order."""
    out: Path = Path("predictions.csv")
    """One line a row: the value, or the likeliest class and the probability of each."""
    margin: Flag = False
    """Write margins, the sums of the trees, instead."""
    leaves: Flag = False
    """Write the leaf that the row reaches in each tree instead."""
    threads: Threads = None
    """Threads; all where not given."""

    def __post_init__(self) -> None:
        if self.margin and self.leaves:
            raise ValueError("--margin and --leaves exclude each other.")

    def run(self) -> None:
        """Write the predictions."""
        from drivetrain.boosting.files.linear import load_any
        from drivetrain.boosting.linear.booster import LinearBooster
        from drivetrain.boosting.tables import encode_for, read_table
        from drivetrain.boosting.threads import threads_of
        from drivetrain.commands.boosted import answers
        from drivetrain.core.files import check_writable

        check_writable(self.out)
        model, threads = load_any(self.model).used, threads_of(self.threads)
        x = encode_for(model, read_table(self.table)).x
        if self.leaves:
            if isinstance(model, LinearBooster):
                raise ValueError(f"{self.model} is a linear model: it has no leaves.")
            header, rows = answers.leaves(model.leaves(x, threads=threads))
        elif self.margin:
            header, rows = answers.margins(model, model.margin(x, threads=threads))
        else:
            header, rows = answers.predictions(model, model.predict(x, threads=threads))
            header, rows = answers.with_class(model, header, rows)
        answers.write_csv(self.out, header, rows)
        print(f"{self.out}: {len(rows):,} predictions")


@dataclass(frozen=True, kw_only=True)
class Explain:
    """How much each feature moved each prediction: exact Shapley values of every row."""

    model: ModelPath
    """A model of XGBoost's format, JSON or UBJSON."""
    table: TablePath
    """CSV or Parquet with the model's columns."""
    out: Path = Path("shap.csv")
    """One line a row: a value a feature and the base; a line sums to the margin."""
    page: OptionalPath = None
    """Write a page of pictures as well: features that move most, rows coloured by value."""
    interactions: OptionalPath = None
    """Write the pairs of features that act together, the strongest first, as CSV."""
    threads: Threads = None
    """Threads; all where not given."""

    def run(self) -> None:
        """Write the values, and print the features that move most."""
        import numpy as np

        from drivetrain.boosting.files.linear import load_any
        from drivetrain.boosting.tables import encode_for, read_table
        from drivetrain.boosting.threads import threads_of
        from drivetrain.commands.boosted import answers
        from drivetrain.commands.boosted.explaining import interactions, values_of

        self._check_targets()
        model, threads = load_any(self.model).used, threads_of(self.threads)
        encoded = encode_for(model, read_table(self.table))
        values = values_of(model, encoded.x, threads)
        answers.write_csv(self.out, *answers.contributions(model, encoded.names, values))
        moved = np.abs(values[:, :, :-1]).mean(axis=(0, 1))
        for place in np.argsort(-moved, kind="stable")[:10]:
            print(f"{encoded.names[place]:<24}{moved[place]:>12.5g}")
        print(f"{self.out}: {len(values):,} rows; mean absolute Shapley values above")
        if self.interactions is not None:
            size = interactions(model, encoded.x, threads)
            answers.write_csv(self.interactions, *answers.pairs(encoded.names, size))
            print(f"{self.interactions}: pairs of features by mean size")
        if self.page is not None:
            from drivetrain.gallery.boosting_report.explained import write_explained

            write_explained(model, encoded, values, self.page, source=str(self.table))
            print(f"{self.page}: the pictures")

    def _check_targets(self) -> None:
        from drivetrain.core.errors import require
        from drivetrain.core.files import check_writable

        for path in (self.out, self.page, self.interactions):
            if path is not None:
                check_writable(path)
        if self.page is not None:
            for package in ("matplotlib", "jinja2"):
                require(package, "drivetrain[report]")


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Turn a model file into XGBoost's JSON or UBJSON: from either of them, or LightGBM's text."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """The model; its form is told by its bytes."""
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TARGET")]
    """Where to write: UBJSON for a name in .ubj, else JSON."""

    def run(self) -> None:
        """Read with every index checked, and write."""
        from drivetrain.boosting.files.linear import load_any, save_any
        from drivetrain.boosting.linear.booster import LinearBooster
        from drivetrain.core.files import check_writable

        check_writable(self.target)
        model = load_any(self.source)
        save_any(model, self.target)
        size = "linear" if isinstance(model, LinearBooster) else f"{len(model.forest):,} trees"
        print(f"{self.target}: {size}, {model.objective.name}")
