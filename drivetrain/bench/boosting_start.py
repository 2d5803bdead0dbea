"""Boosting in fresh processes: nothing compiled, kernels cached, memory; and the same bits."""

import hashlib
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from drivetrain.bench.harness.case import Case, Contender, Measure, Race
from drivetrain.bench.harness.fresh import Process, compiling, fresh
from drivetrain.bench.problems.trees import Table, collisions, flights
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.files.model import save_model
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost
from drivetrain.core.errors import require
from drivetrain.trees.growing.settings import Growth

#: A first fit and prediction, small enough to take no time itself.
FIRST = """
import numpy as np
from drivetrain.boosting.compat import DMatrix, train
x = np.random.default_rng(0).normal(size=(2000, 10)).astype(np.float32)
data = DMatrix(x, x[:, 0])
train({"nthread": 1}, data, 10).predict(data)
"""
#: The same by scikit-learn's face; scikit-learn's own import is most of it.
ESTIMATOR = """
import numpy as np
from {module} import {name}
x = np.random.default_rng(0).normal(size=(2000, 10)).astype(np.float32)
{name}(n_estimators=10, n_jobs=1).fit(x, x[:, 0]).predict(x)
"""
#: Training on a stored table; a file mapped to memory counts in neither.
OURS = """
import numpy as np
from drivetrain.boosting import Dataset, Settings, boost
from drivetrain.boosting.objectives.logistic import Logistic
from drivetrain.trees.growing.settings import Growth
x, y = np.load({x!r}), np.load({y!r})
growth = Growth(max_depth=0, max_leaves=255, grow_policy="lossguide")
settings = Settings(n_estimators=10, growth=growth, threads=2)
boost(Dataset(x=x, label=y[:, None]), Logistic(), settings)
"""
THEIRS = """
import lightgbm, numpy as np
x, y = np.load({x!r}), np.load({y!r})
given = dict(objective="binary", num_leaves=255, max_bin=255, num_threads=2, verbosity=-1)
given |= dict({layout}=True)
lightgbm.train(given, lightgbm.Dataset(x, y, params=given, free_raw_data=False), 10)
"""


def cases() -> Iterator[Case]:
    """Yield the first fit ever, the first of a later process, peak memory, and hashes."""
    yield Measure(
        name="first-fit-compiling",
        what="the first fit ever, which compiles every kernel, imports included",
        value=lambda: compiling(FIRST).cpu_seconds,
        high=5.0,
        unit="s CPU",
    )
    yield Measure(
        name="first-fit-cached",
        what="import, fit and predict in a later process",
        value=_cached,
        high=0.8,
        unit="s CPU",
        detail=lambda: "2,000 rows of 10 features, 10 trees; median of 5",
    )
    with tempfile.TemporaryDirectory() as cache:
        yield _estimator(cache)
    memory = Memory()
    yield Measure(
        name="train-peak-memory",
        what="most memory of training on 1,000,000 x 28, as a share of LightGBM's leaner layout",
        value=memory.share,
        high=1.0,
        detail=lambda: memory.words,
    )
    yield Measure(
        name="same-bits",
        what="models of flights by 1, 2 and 4 threads that differ in any bit",
        value=lambda: len({model_hash(flights(), threads) for threads in (1, 2, 4)}) - 1,
        high=0.0,
        detail=lambda: f"SHA-256 of the file begins {model_hash(flights(), 2)[:12]}",
    )


_OURS = {"module": "drivetrain.boosting", "name": "BoostedTreesRegressor"}
_THEIRS = {"module": "xgboost", "name": "XGBRegressor"}


def _estimator(cache: str) -> Race:
    ours = partial(fresh, ESTIMATOR.format(**_OURS), cache=cache)
    ours()
    return Race(
        name="estimator-process",
        what="a later process: import, fit and predict by scikit-learn's face, kernels cached",
        ours=Contender(name="drivetrain", run=ours),
        peers=(_xgboost,),
        equal=lambda a, b: "times only",
        repeats=5,
    )


def _xgboost() -> Contender:
    require("xgboost", "drivetrain[peers]")
    return Contender(name="XGBoost 3.2", run=partial(fresh, ESTIMATOR.format(**_THEIRS)))


def _cached() -> float:
    with tempfile.TemporaryDirectory() as cache:
        fresh(FIRST, cache=cache)
        return statistics.median(fresh(FIRST, cache=cache).cpu_seconds for _ in range(5))


@dataclass
class Memory:
    """The most memory of two kinds of process, and words on it."""

    words: str = ""

    def share(self) -> float:
        """Return what training takes above the loaded table, ours over theirs."""
        import numpy as np

        require("lightgbm", "drivetrain[peers]")
        table = collisions()
        with tempfile.TemporaryDirectory() as folder:
            files = {"x": f"{folder}/x.npy", "y": f"{folder}/y.npy"}
            np.save(files["x"], table.x)
            np.save(files["y"], table.y)
            peak = partial(_peak, files=files)
            ours = peak(OURS)
            theirs = {
                layout: peak(THEIRS, layout=layout)
                for layout in ("force_row_wise", "force_col_wise")
            }
        row, column = (f"{value / 1e6:.0f}" for value in theirs.values())
        self.words = f"{ours / 1e6:.0f} MB; LightGBM {row} MB by row, {column} MB by column"
        return ours / min(theirs.values())


def _peak(program: str, *, files: dict[str, str], **given: str) -> float:
    runs: list[Process] = [fresh(program.format(**files, **given)) for _ in range(3)]
    return statistics.median(run.peak for run in runs)


def model_hash(table: Table, threads: int) -> str:
    """Return the SHA-256 of the model file of 20 trees.

    Args:
        table: The data.
        threads: Threads to train with.
    """
    growth = Growth(max_depth=0, max_leaves=31, grow_policy="lossguide")
    settings = Settings(n_estimators=20, growth=growth, subsample=0.8)
    data = Dataset(x=table.x, label=table.y[:, None])
    model, _ = boost(data, SquaredError(), replace(settings, threads=threads))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.ubj"
        save_model(model, file)
        return hashlib.sha256(file.read_bytes()).hexdigest()
