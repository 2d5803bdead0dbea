"""Single trees against scikit-learn's, alone and as members."""

import numpy as np
import pytest
from sklearn import ensemble as theirs
from sklearn import tree as peers

from drivetrain.ensemble.trees import DecisionTreeClassifier, DecisionTreeRegressor


def table(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    return x, x[:, 0] + x[:, 1] ** 2 + rng.normal(size=n)


@pytest.mark.parametrize("given", [{"max_depth": 4}, {"min_samples_leaf": 6}, {"ccp_alpha": 0.05}])
def test_a_tree_is_scikit_learns(given: dict[str, float]) -> None:
    x, y = table(1)
    mine = DecisionTreeRegressor(tree_method="exact", **given).fit(x, y)
    peer = peers.DecisionTreeRegressor(random_state=0, **given).fit(x, y)
    # Means kept as float32.
    assert mine.predict(x) == pytest.approx(peer.predict(x), rel=1e-6)
    assert (mine.get_depth(), mine.get_n_leaves()) == (peer.get_depth(), peer.get_n_leaves())
    if "min_samples_leaf" in given:
        # Of fewer rows, features that part them alike are ties, which chance decides.
        assert mine.feature_importances_ == pytest.approx(peer.feature_importances_, abs=1e-6)


def test_trees_serve_as_members() -> None:
    x, y = table(2)
    stumps = theirs.AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=10)
    assert stumps.fit(x, y > 0).score(x, y > 0) > 0.7
    bag = theirs.BaggingRegressor(DecisionTreeRegressor(), n_estimators=5, random_state=0)
    assert bag.fit(x, y).score(x, y) > 0.6


def test_random_cuts_differ_by_seed_and_an_unknown_splitter_is_named() -> None:
    x, y = table(3)
    grown = [
        DecisionTreeRegressor(splitter="random", random_state=k).fit(x, y).tree_ for k in (0, 1)
    ]
    assert not np.array_equal(grown[0].threshold[:1], grown[1].threshold[:1])
    with pytest.raises(ValueError, match="splitter must be one of 'best', 'random'"):
        DecisionTreeRegressor(splitter="worst").fit(x, y)
