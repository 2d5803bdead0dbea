"""A model with XGBoost's methods: trained round by round, asked, written."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.answers import Flags, Model, fitting, margin_of, predicted, sliced
from drivetrain.boosting.compat.evaluation import CustomMetric, evaluate, evaluate_theirs, line
from drivetrain.boosting.compat.inspected import Inspected
from drivetrain.boosting.compat.losses import Slopes
from drivetrain.boosting.compat.matrix import DMatrix
from drivetrain.boosting.compat.words import Words
from drivetrain.boosting.compat.work import Work
from drivetrain.boosting.files.linear import load_any, loads_any, save_any
from drivetrain.boosting.params import Params, metrics_of, named
from drivetrain.boosting.threads import threads_of
from drivetrain.core.checks import check_choice

_TRACKED = ("best_iteration", "best_score")


class Booster(Words, Inspected):
    """A trained model, or one in training, with XGBoost's methods.

    Args:
        params: Parameters by name or alias.
        cache: Not read; XGBoost's own constructor takes it.
        model_file: A model to begin with: a file of JSON or UBJSON, its bytes, or a Booster.

    Raises:
        ValueError: A parameter that is not known; a file that is no model.
    """

    def __init__(
        self,
        params: Params | None = None,
        cache: Sequence[DMatrix] | None = None,
        model_file: "str | Path | bytes | bytearray | Booster | None" = None,
    ) -> None:
        self._params = named(params or {})
        self._model: Model | None = None
        self._work: Work | None = None
        self._attributes: dict[str, str] = {}
        if isinstance(model_file, Booster):
            self._model = model_file.model
            self._attributes = model_file.attributes()
        elif model_file is not None:
            self.load_model(model_file)

    @property
    def model(self) -> Model:
        """The model as the rest of the library knows it, with all its rounds.

        Raises:
            ValueError: Nothing has been trained or loaded.
        """
        if self._model is None and self._work is not None:
            self._model = self._work.snapshot()
        if self._model is None:
            raise ValueError("This Booster is empty: train it or load a model first.")
        return self._model

    def set_param(self, params: Params | str, value: Any = None) -> None:
        """Set parameters: one by name, or several.

        Raises:
            ValueError: One that is not known.
        """
        given = named({params: value} if isinstance(params, str) else params)
        self._params |= given
        if self._work is not None:
            self._work.follow(self._params, given)

    def update(self, dtrain: DMatrix, iteration: int, fobj: Slopes | None = None) -> None:
        """Do one round.

        Args:
            dtrain: The rows; binned once, as long as they are the same.
            iteration: Its number; rounds count themselves.
            fobj: Takes margins and rows, returns g and h; the objective's own where None.

        Raises:
            ValueError: Parameters, labels or derivatives that are wrong.
        """
        self._working(dtrain, fobj, {}).advance()
        self._model = None

    def boost(
        self,
        dtrain: DMatrix,
        iteration: int = 0,
        *,
        grad: Any = None,
        hess: Any = None,
        fobj: Slopes | None = None,
    ) -> None:
        """Do one round on the derivatives given.

        Raises:
            ValueError: Of another shape, NaN, or none at all.
        """
        if fobj is None and (grad is None or hess is None):
            raise ValueError("boost needs grad and hess, or fobj.")
        self.update(dtrain, iteration, fobj or (lambda margin, rows: (grad, hess)))

    def watch(self, dtrain: DMatrix, evals: Iterable[tuple[DMatrix, str]], custom: bool) -> None:
        """Prepare to train on some rows while others are evaluated after each round."""
        fobj: Slopes | None = (lambda margin, rows: (None, None)) if custom else None
        self._working(dtrain, fobj, {name: rows for rows, name in evals})

    def _working(self, dtrain: DMatrix, fobj: Slopes | None, sets: dict[str, DMatrix]) -> Work:
        work = self._work
        if work is None or not work.suits(dtrain, fobj):
            start = self.model if self._model is not None or work is not None else None
            self.reset()
            if start is not None:
                fitting(start, dtrain.data, validate=True)
            self._work = work = Work(dtrain, self._params, sets, fobj=fobj, start=start)
        work.use(fobj)
        return work

    def reset(self) -> "Booster":
        """Let go of what training needed; the model stays."""
        if self._work is not None:
            self._model = self.model
            self._work.close()
            self._work = None
        return self

    def scores(
        self,
        evals: Iterable[tuple[DMatrix, str]],
        feval: CustomMetric | None = None,
        output_margin: bool = True,
    ) -> list[tuple[str, float]]:
        """Return what ``eval_set`` prints as pairs of a name and a value."""
        objective = self._work.base if self._work is not None else self.model.objective
        metrics = metrics_of(self._params)
        if not metrics and not self._params.get("disable_default_eval_metric"):
            metrics = (objective.metric,)
        out = []
        for rows, name in evals:
            margin = self._margin(rows)
            told = evaluate(objective, metrics, margin, rows)
            if feval is not None:
                shown = margin if output_margin else objective.predict(margin)
                flat = shown[:, 0] if shown.ndim == 2 and shown.shape[1] == 1 else shown
                told += evaluate_theirs(feval, flat, rows)
            out += [(f"{name}-{metric}", value) for metric, value in told]
        return out

    def _margin(self, rows: DMatrix) -> NDArray[np.float32]:
        held = None if self._work is None else self._work.margin_of(rows)
        if held is not None:
            return held
        model = self.model
        data = fitting(model, rows.data, validate=True)
        return margin_of(model, data, threads=self._threads)

    def eval_set(
        self,
        evals: Iterable[tuple[DMatrix, str]],
        iteration: int = 0,
        feval: CustomMetric | None = None,
        output_margin: bool = True,
    ) -> str:
        """Return the metrics of some rows as XGBoost's line."""
        return line(iteration, self.scores(evals, feval, output_margin))

    def eval(self, data: DMatrix, name: str = "eval", iteration: int = 0) -> str:
        """Return the metrics of one set of rows as XGBoost's line."""
        return self.eval_set([(data, name)], iteration)

    @property
    def _threads(self) -> int:
        return threads_of(self._params.get("n_jobs"))

    def predict(self, data: DMatrix, **flags: Unpack[Flags]) -> NDArray[Any]:
        """Return predictions, margins, leaves, or exact Shapley values of the rows.

        Args:
            data: The rows.
            **flags: ``output_margin``, ``pred_leaf``, ``pred_contribs``, ``pred_interactions``,
                ``iteration_range``, ``strict_shape``, ``validate_features``. All rounds are used
                where there is no range, as in XGBoost.

        Raises:
            ValueError: Features of another number or other names than the model's.
        """
        model = self.model
        rows = fitting(model, data.data, validate=flags.get("validate_features", True))
        return predicted(model, rows, flags, threads=self._threads)

    def inplace_predict(
        self,
        data: Any,
        *,
        predict_type: str = "value",
        missing: float = np.nan,
        base_margin: Any = None,
        **flags: Unpack[Flags],
    ) -> NDArray[Any]:
        """Return predictions of any table, without making a DMatrix of it first.

        Args:
            data: A table as a DMatrix takes it.
            predict_type: ``value`` or ``margin``.
            missing: The value that stands for a missing one.
            base_margin: Where to start instead of the base score.
            **flags: ``iteration_range``, ``strict_shape``, ``validate_features``.

        Raises:
            ValueError: Another type of prediction, or features that are not the model's.
        """
        kind = check_choice("predict_type", predict_type, ("value", "margin"))
        rows = DMatrix(data, missing=missing, enable_categorical=True, base_margin=base_margin)
        if not rows.data.feature_names:
            # An array has no names to compare.
            flags["validate_features"] = False
        flags["output_margin"] = kind == "margin"
        return self.predict(rows, **flags)

    def save_model(self, fname: str | Path) -> None:
        """Write the model: UBJSON for a name in .ubj, else JSON."""
        save_any(self._stored(), fname)

    def save_raw(self, raw_format: str = "ubj") -> bytearray:
        """Return the bytes of a model file.

        Args:
            raw_format: ``ubj`` or ``json``.

        Raises:
            ValueError: Another format.
        """
        from tempfile import TemporaryDirectory

        kind = check_choice("raw_format", raw_format, ("ubj", "json"))
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"model.{kind}"
            save_any(self._stored(), path)
            return bytearray(path.read_bytes())

    def _stored(self) -> Model:
        return replace(self.model, attributes=self.attributes())

    def load_model(self, fname: str | Path | bytes | bytearray) -> None:
        """Read a model, JSON or UBJSON: a file, or its bytes.

        Raises:
            ValueError: It is none.
        """
        raw = isinstance(fname, bytes | bytearray)
        model = loads_any(bytes(fname)) if raw else load_any(fname)  # type: ignore[arg-type]
        self.reset()
        self._attributes = dict(model.attributes)
        self._model = replace(model, best_round=None, attributes={})

    def save_config(self) -> str:
        """Return what the model was trained by, as JSON in XGBoost's outline."""
        learner = json.loads(self.save_raw("json"))["learner"]
        kept = {name: learner[name] for name in ("learner_model_param", "objective")}
        booster = {"name": learner["gradient_booster"]["name"]}
        told = {name: value for name, value in self._params.items() if not callable(value)}
        whole = {"learner": kept | {"gradient_booster": booster, "params": told}}
        return json.dumps(whole | {"version": [3, 2, 0]}, default=str)

    def load_config(self, config: str) -> None:
        """Set the parameters that ``save_config`` returned.

        Raises:
            ValueError: It is none of ours.
        """
        try:
            told = json.loads(config)["learner"]["params"]
        except (ValueError, KeyError, TypeError):
            raise ValueError("config must be what save_config returned.") from None
        self.set_param(told)

    def copy(self) -> "Booster":
        """Return a model that can be trained on apart from this one."""
        made = Booster(model_file=self)
        made._params = dict(self._params)
        return made

    def __copy__(self) -> "Booster":
        return self.copy()

    def __deepcopy__(self, memo: Any) -> "Booster":
        return self.copy()

    def __getstate__(self) -> dict[str, Any]:
        held = self._model is not None or self._work is not None
        model = self.model if held else None
        return {"params": self._params, "model": model, "attributes": self._attributes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._params, self._model = state["params"], state["model"]
        self._attributes, self._work = state["attributes"], None

    def __getitem__(self, rounds: Any) -> "Booster":
        """Return the model of one round, or of a slice of them."""
        total = len(self.model)
        if isinstance(rounds, int | np.integer):
            place = int(rounds) + (total if rounds < 0 else 0)
            if not 0 <= place < total:
                raise IndexError(f"round must be below {total}. Got {rounds}.")
            rounds = slice(place, place + 1)
        if rounds is Ellipsis:
            rounds = slice(None)
        if not isinstance(rounds, slice):
            raise TypeError(f"A Booster takes a round or a slice. Got {rounds!r:.40}.")
        made = self.copy()
        made._model = sliced(self.model, range(*rounds.indices(total)))
        for name in _TRACKED:
            made._attributes.pop(name, None)
        return made

    def __iter__(self) -> Iterator["Booster"]:
        return (self[k] for k in range(len(self.model)))
