"""Searches and learners on disk go on bit for bit; other files are refused."""

import numpy as np
import pytest

from drivetrain.approximation import Gain
from drivetrain.approximation.processes import LSTD, TD0, QLearning, gridworld, random_walk
from drivetrain.approximation.search import (
    SPSA,
    Average,
    Box,
    Curvature,
    KieferWolfowitz,
    RobbinsMonro,
    Truncation,
)
from drivetrain.core.errors import CheckpointError

WALK = random_walk(3).sample(50, random_state=0)


def scalar_root():
    return RobbinsMonro(1.0, gain=Gain(0.3, 0.7, 1.0, 0.5), truncate=Truncation(2.0))


def vector_root():
    box = Box([0.0, -np.inf], np.inf)
    return RobbinsMonro([1.0, 2.0], project=box, average=Average("tail", burn_in=2), target=0.1)


def spsa():
    return SPSA([1.0, 2.0], curvature=Curvature(), random_state=np.random.RandomState(3))


def mersenne():
    return SPSA([1.0, 2.0], random_state=np.random.Generator(np.random.MT19937(1)))


def step(search) -> None:
    if isinstance(search, RobbinsMonro):
        search.update(0.3 * np.asarray(search.x) + 0.1)
    elif isinstance(search, (SPSA, KieferWolfowitz)):
        search.update([float(np.sum(np.square(w))) for w in search.points()])
    elif isinstance(search, QLearning):
        search.run(gridworld(), 7)
    else:
        (search.update_many if isinstance(search, TD0) else search.update)(WALK)


@pytest.mark.parametrize(
    "make",
    [
        scalar_root,
        vector_root,
        lambda: KieferWolfowitz(2.0),
        spsa,
        mersenne,
        lambda: TD0(5, gamma=1.0),
        lambda: LSTD(np.eye(5), gamma=0.5, ridge=0.1),
        lambda: QLearning((25, 5), random_state=0),
    ],
)
def test_what_was_saved_goes_on_bit_for_bit(make, tmp_path) -> None:
    search = make()
    for _ in range(25):
        step(search)
    search.save(tmp_path)
    again = type(search).load(tmp_path)
    for _ in range(5):
        step(search)
        step(again)
    assert flat(search.state_dict()) == flat(again.state_dict())


def flat(value):
    if isinstance(value, dict):
        return {name: flat(entry) for name, entry in value.items()}
    if isinstance(value, np.ndarray):
        return (value.shape, value.tolist())
    return value


def test_numbers_of_numpy_are_saved_as_well(tmp_path) -> None:
    search = RobbinsMonro(
        np.float32(1.0), steps=np.int64(9), gain=Gain(np.float32(0.5)), limit=np.float32(1e6),
        average=Average("suffix", fraction=np.float32(0.5)),
    )  # fmt: skip
    search.update(0.25).save(tmp_path)
    again = RobbinsMonro.load(tmp_path)
    assert again.update(0.5).x == search.update(0.5).x


def test_functions_are_given_again(tmp_path) -> None:
    search = RobbinsMonro(1.0, gain=lambda k: 1 / (k + 1))
    search.save(tmp_path)
    with pytest.raises(ValueError, match="pass gain= again"):
        RobbinsMonro.load(tmp_path)
    assert RobbinsMonro.load(tmp_path, gain=lambda k: 1 / (k + 1)).update(1.0).x == 0.5


def test_other_files_are_refused(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="No checkpoint"):
        RobbinsMonro.load(tmp_path)
    TD0(3).save(tmp_path)
    with pytest.raises(CheckpointError, match=r"must hold a RobbinsMonro\. Got 'TD0'"):
        RobbinsMonro.load(tmp_path)
    data = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data[:-9])
    with pytest.raises(CheckpointError):
        TD0.load(tmp_path)
