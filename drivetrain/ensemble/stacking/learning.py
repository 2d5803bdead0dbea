"""Fitting the members of a stack: on all rows, and without each fold, in one pool of threads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone
from sklearn.utils.metaestimators import _safe_split

from drivetrain.ensemble.members.fitting import Member, attempted
from drivetrain.ensemble.members.threads import run
from drivetrain.ensemble.stacking.folds import Fold, aligned, joined

AUTO = ("predict_proba", "decision_function", "predict")


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """What members learn from.

    Attributes:
        X: Values.
        y: Targets, classes as codes.
        counts: Classes, of each label where there are several; None for numbers.
    """

    X: Any
    y: Any
    counts: int | Sequence[int] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """How members are fitted.

    Attributes:
        whole: Rows of the members that are kept; all where None.
        folds: Folds whose held-out rows are predicted by members fitted on the others.
        n_jobs: Threads in all.
        on_error: ``raise`` or ``drop``.
        verbose: Whether to print a line a fit.
    """

    whole: Any
    folds: Sequence[Fold]
    n_jobs: int | None
    on_error: str
    verbose: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """A member fitted.

    Attributes:
        estimator: On the rows of the plan.
        seconds: How long that took.
        predictions: Of every row, out of its fold; None without folds.
    """

    estimator: Any
    seconds: float
    predictions: Any


@dataclass(frozen=True, eq=False)
class _Task:
    member: Member
    method: str
    fold: Fold | None


def learn(
    members: Sequence[Member], methods: dict[str, str], rows: Rows, plan: Plan
) -> dict[str, Learned | Exception]:
    """Return the members fitted, or why they failed, by name.

    Args:
        members: Unfitted.
        methods: What each is asked, by name.
        rows: What they learn from.
        plan: How.
    """
    tasks = [_Task(one, methods[one.name], None) for one in members]
    for one in members:
        for fold in plan.folds:
            copy = Member(name=one.name, estimator=clone(one.estimator), params=one.params)
            tasks.append(_Task(copy, methods[one.name], fold))

    def work(task: _Task, threads: int | None) -> Any:
        name = task.member
        done = attempted(name, lambda: _do(task, rows, plan, threads), plan.on_error)
        if plan.verbose:
            what = "all rows" if task.fold is None else f"without {len(task.fold[1])} rows"
            how = "failed" if isinstance(done, Exception) else "done"
            print(f"[Stacking] {name.name}, {what}: {how}", flush=True)
        return done

    done = run(work, tasks, plan.n_jobs)
    return _gathered(members, tasks, done, plan)


def _do(task: _Task, rows: Rows, plan: Plan, threads: int | None) -> Any:
    """Return the seconds of a fit on the plan's rows, or predictions of a fold's held-out ones."""
    member = task.member
    if task.fold is None:
        return member.fit(rows.X, rows.y, rows=plan.whole, threads=threads)
    train, test = task.fold
    member.fit(rows.X, rows.y, rows=train, threads=threads)
    held, _ = _safe_split(member.estimator, rows.X, None, test, train)
    given = getattr(member.estimator, task.method)(held)
    if rows.counts is None or task.method == "predict":
        return given
    return aligned(given, member.estimator.classes_, rows.counts, task.method)


def _gathered(
    members: Sequence[Member], tasks: list[_Task], done: list[Any], plan: Plan
) -> dict[str, Learned | Exception]:
    found: dict[str, Learned | Exception] = {}
    for one in members:
        own = [d for task, d in zip(tasks, done) if task.member.name == one.name]
        failed = [d for d in own if isinstance(d, Exception)]
        if failed:
            found[one.name] = failed[0]
            continue
        predictions = joined(own[1:], plan.folds) if plan.folds else None
        found[one.name] = Learned(estimator=one.estimator, seconds=own[0], predictions=predictions)
    return found
