"""Which rows a tree sees: shares, unbiased sums, the same draws however rows are shared."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.boosting._numba import keep_rows
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.sampling import draw_rows, goss_chances, gradient_chances, seed_of
from drivetrain.boosting.training import Settings, Watch, boost

METHODS = {
    "uniform": {"subsample": 0.3},
    "gradient_based": {"sampling_method": "gradient_based", "subsample": 0.3},
    "goss": {"sampling_method": "goss", "top_rate": 0.2, "other_rate": 0.1},
}


def slopes(n: int = 4000, groups: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    g = rng.standard_t(3, (n, groups)).astype(np.float32)
    return g, rng.random((n, groups)).astype(np.float32)


# Golden: the rules on a handful of rows.


def test_golden_goss() -> None:
    g = np.array([[3.0], [-2], [1], [0.5], [0.1]], np.float32)
    chances = goss_chances(g, np.ones((1, 1), np.float32), 0.4, 0.3)
    # Two of five for their gradients; the rest with .3 / (1 - .4), and twice as heavy.
    assert chances.tolist() == [1, 1, 0.5, 0.5, 0.5]


def test_golden_gradient_based() -> None:
    g = np.array([[10.0], [1], [1], [1], [1]], np.float32)
    chances = gradient_chances(g, np.zeros((1, 1), np.float32), 0.6)
    # Three of five: the largest always, so the others 2 of 4 by chance.
    assert chances.tolist() == [1, 0.5, 0.5, 0.5, 0.5]
    none = gradient_chances(np.zeros((4, 1), np.float32), np.zeros((1, 1), np.float32), 0.5)
    assert none.tolist() == [0, 0, 0, 0]


# Properties.


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 300), st.floats(0.05, 0.95))
def test_chances_add_up_to_the_share(seed: int, n: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    g = (rng.normal(size=(n, 2)) * 10.0 ** rng.integers(-3, 3)).astype(np.float32)
    h = rng.random((n, 2)).astype(np.float32)
    chances = gradient_chances(g, h, share)
    assert ((chances > 0) & (chances <= 1)).all()
    if share * n >= 1:
        assert chances.sum() == pytest.approx(share * n, rel=1e-9)
    size = np.sqrt((g.astype(float) ** 2 + 0.1 * h.astype(float) ** 2).sum(axis=1))
    below = chances < 1
    if below.any():
        ratio = chances[below] / size[below]
        assert ratio == pytest.approx(np.full(below.sum(), ratio[0]), rel=1e-9)


@settings(max_examples=40)
@given(st.integers(0, 2**48 - 1), st.integers(1, 500), st.integers(0, 500))
def test_a_rows_draw_depends_on_its_number_alone(seed: int, n: int, cut: int) -> None:
    cut = min(cut, n)
    chance = np.random.default_rng(1).random(n)
    rows, part = np.empty(n, np.uint32), np.empty(cut, np.uint32)
    count = keep_rows(np.uint64(seed), chance, rows)
    kept = keep_rows(np.uint64(seed), chance[:cut], part) if cut else 0
    drawn = rows[:count]
    assert (np.diff(drawn.astype(int)) > 0).all()
    assert np.array_equal(drawn[drawn < cut], part[:kept])
    always = np.empty(n, np.uint32)
    assert keep_rows(np.uint64(seed), np.ones(1), always) == n


@pytest.mark.parametrize("method", METHODS)
def test_sums_over_any_rows_are_unbiased(method: str) -> None:
    given_ = Settings(learning_rate=1.0, **METHODS[method])  # type: ignore[arg-type]
    g, h = slopes()
    share = 1.0 if method != "uniform" else 0.3
    inside = np.arange(len(g)) % 3 == 0
    sums = []
    for seed in range(400):
        sample = draw_rows(given_, g, h, seed=seed_of(seed), number=9)
        assert sample is not None
        own = sample.rows[inside[sample.rows]]
        sums.append([sample.scaled(v)[own].sum(dtype=float) for v in (g, h)])
        assert len(sample.rows) == pytest.approx(0.3 * len(g), abs=5 * np.sqrt(0.21 * len(g)))
    seen = np.array(sums)
    wanted = share * np.array([g[inside].sum(dtype=float), h[inside].sum(dtype=float)])
    error = seen.std(axis=0, ddof=1) / np.sqrt(len(seen))
    assert (abs(seen.mean(axis=0) - wanted) < 5 * error).all()


def test_drawing_by_gradients_is_nearer_than_drawing_blindly() -> None:
    """The point of both methods: a smaller variance of the sum at the same number of rows."""
    g, h = slopes()[0], np.ones((1, 1), np.float32)

    def spread(method: str) -> float:
        given_ = Settings(learning_rate=1.0, **METHODS[method])  # type: ignore[arg-type]
        factor = 1 / 0.3 if method == "uniform" else 1.0
        out = []
        for seed in range(200):
            sample = draw_rows(given_, g, h, seed=seed_of(seed), number=9)
            assert sample is not None
            out.append(factor * sample.scaled(g)[sample.rows].sum(dtype=float))
        return float(np.std(out))

    assert spread("gradient_based") < 0.75 * spread("uniform")
    assert spread("goss") < 0.9 * spread("uniform")


def test_seeds_differ_in_every_part() -> None:
    seeds = {seed_of(a, b, c) for a in range(8) for b in range(8) for c in range(8)}
    assert len(seeds) == 512 and max(seeds) < 2**48
    assert seed_of(2**70, 1) == seed_of(0, 1) != seed_of(1, 0)


# In training.


def problem(n: int = 2000) -> Dataset:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, 5)).astype(np.float32)
    y = x[:, 0] + x[:, 1] * x[:, 2] + 0.1 * rng.normal(size=n)
    return Dataset(x=x, label=y.astype(np.float32))


@pytest.mark.parametrize("parallel", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_threads_change_nothing_and_training_goes_on(method: str, parallel: int) -> None:
    data = problem()

    def model(rounds: int, threads: int = 1, start: object = None) -> bytes:
        given_ = Settings(
            n_estimators=rounds,
            num_parallel_tree=parallel,
            threads=threads,
            **METHODS[method],  # type: ignore[arg-type]
        )
        grown, _ = boost(data, SquaredError(), given_, start=start)  # type: ignore[arg-type]
        return grown if start is None and rounds < 9 else grown.margin(data.x).tobytes()  # type: ignore[return-value]

    whole = model(9)
    assert whole == model(9, threads=2) == model(5, start=model(4))


def test_goss_sees_everything_at_first() -> None:
    data = problem()
    plain, _ = boost(data, SquaredError(), Settings(n_estimators=3))
    goss = Settings(n_estimators=4, sampling_method="goss")
    # 1 / 0.3: three rounds on all rows.
    sampled, _ = boost(data, SquaredError(), goss)
    assert plain.margin(data.x).tobytes() == sampled.first(3).margin(data.x).tobytes()
    more, _ = boost(data, SquaredError(), Settings(n_estimators=4))
    assert more.margin(data.x).tobytes() != sampled.margin(data.x).tobytes()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["squared", "logistic", "softprob"])
def test_it_learns_nearly_as_from_all_rows(method: str, kind: str) -> None:
    data, held = problem(), problem(2500).take(np.arange(2000, 2500))
    objective = {"squared": SquaredError(), "logistic": Logistic(), "softprob": Softmax(3)}[kind]
    cut = {"squared": None, "logistic": [0.0], "softprob": [-0.5, 0.5]}[kind]

    def cast(one: Dataset) -> Dataset:
        if cut is None:
            return one
        return Dataset(x=one.x, label=np.digitize(one.target, cut).astype(np.float32))

    def loss(given_: dict) -> float:
        watch = Watch(sets={"t": cast(held)})
        given_ = {"n_estimators": 40, "learning_rate": 0.2} | given_
        _, history = boost(cast(data), objective, Settings(**given_), watch=watch)
        values = history["t"][objective.metric]
        # Learned from a third of the rows: half of what there is to learn at least.
        assert values[-1] < 0.75 * values[0]
        return values[-1]

    assert loss(METHODS[method]) < 1.3 * loss({})


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"sampling_method": "gos"}, "Did you mean 'goss'"),
        ({"sampling_method": "goss", "subsample": 0.5}, r"'goss'.*subsample=0\.5"),
        ({"sampling_method": "goss", "top_rate": 0.8, "other_rate": 0.3}, r"0\.8 \+ 0\.3"),
        ({"other_rate": 0}, "other_rate must be"),
        ({"num_parallel_tree": 0}, "num_parallel_tree must be >= 1"),
    ],
)
def test_what_cannot_be_is_named(given_: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**given_)


@pytest.mark.peer
def test_goss_learns_as_lightgbms() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    data, held = problem(4000), problem(6000).take(np.arange(4000, 6000))
    ours, theirs = [], []
    from drivetrain.trees.growing.settings import Growth

    growth = Growth(max_depth=0, max_leaves=15, grow_policy="lossguide", min_child_weight=20,
                    reg_lambda=0.0)  # fmt: skip
    for seed in range(6):
        given_ = Settings(
            n_estimators=40, learning_rate=0.2, sampling_method="goss", growth=growth,
            random_state=seed,
        )  # fmt: skip
        model, _ = boost(data, SquaredError(), given_)
        ours.append(np.sqrt(np.mean((model.predict(held.x) - held.target) ** 2)))
        params = {
            "data_sample_strategy": "goss", "learning_rate": 0.2, "num_leaves": 15, "verbose": -1,
            "num_threads": 1, "seed": seed, "objective": "l2",
        }  # fmt: skip
        grown = lightgbm.train(params, lightgbm.Dataset(data.x, data.target), 40)
        theirs.append(np.sqrt(np.mean((grown.predict(held.x) - held.target) ** 2)))
    # Cuts differ a little, draws do: within a tenth of each other.
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.1)
