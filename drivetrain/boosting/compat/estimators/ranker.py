"""XGBoost's ranker."""

from typing import Any, ClassVar

from numpy.typing import ArrayLike

from drivetrain.boosting.compat.estimators.model import Fit, XGBModel
from drivetrain.boosting.compat.training import check_told
from drivetrain.boosting.frames.reading import is_frame


class XGBRanker(XGBModel):
    """XGBoost's ranker: ``fit`` wants ``group`` or ``qid``."""

    _defaults: ClassVar[dict[str, Any]] = {"objective": "rank:ndcg"}

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None, **more: Any) -> Any:
        """Fit the model.

        Args:
            X: Any table; a data frame's column ``qid`` is the query of each row.
            y: Grades.
            sample_weight: Of each query.
            **more: ``group`` or ``qid``, ``eval_set`` with ``eval_group`` or ``eval_qid``,
                ``verbose``, ``xgb_model``, ``sample_weight_eval_set``.

        Raises:
            ValueError: No queries, or rows that are not sorted by them.
        """
        x, found = _without_qid(X)
        qid, group = more.pop("qid", found), more.pop("group", None)
        if qid is None and group is None:
            raise ValueError("group or qid is required for ranking task")
        sets = [(*_without_qid(a), b) for a, b in more.pop("eval_set", None) or ()]
        none = [None] * len(sets)
        qids, groups, weights = (
            more.pop(name, None) or none
            for name in ("eval_qid", "eval_group", "sample_weight_eval_set")
        )
        verbose = more.pop("verbose", False)
        check_told(more, Fit.__annotations__, "fit")
        rows = self._matrix(x, label=y, weight=sample_weight, qid=qid, group=group)
        evals = [
            (
                self._matrix(a, label=b, weight=w, qid=own if q is None else q, group=g),
                f"validation_{k}",
            )
            for k, ((a, own, b), w, q, g) in enumerate(zip(sets, weights, qids, groups))
        ]
        self._train(rows, evals, verbose, more)  # type: ignore[arg-type]
        return self

    def predict(self, X: Any, **told: Any) -> Any:
        """Return a score of each row; see ``XGBModel.predict``."""
        return super().predict(_without_qid(X)[0], **told)

    def score(self, X: Any, y: Any) -> float:
        """Return the mean nDCG of a data frame whose column ``qid`` is the query of each row.

        Raises:
            ValueError: There is no such column.
        """
        x, qid = _without_qid(X)
        if qid is None:
            raise ValueError("score needs the column 'qid' in X.")
        booster = self.get_booster().copy()
        booster.set_param("eval_metric", "ndcg")
        return booster.scores([(self._matrix(x, label=y, qid=qid), "x")])[0][1]


def _without_qid(x: Any) -> tuple[Any, Any]:
    """Return a data frame without its column ``qid``, and that column; None where there is none."""
    if not is_frame(x):
        return x, None
    import narwhals.stable.v2 as nw

    frame: Any = nw.from_native(x, eager_only=True)
    if "qid" not in frame.columns:
        return x, None
    return frame.drop("qid").to_native(), frame["qid"].to_numpy()
