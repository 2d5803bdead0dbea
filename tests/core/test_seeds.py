"""Seeds: the same seed gives the same bits, however it is said."""

from typing import Any

import numpy as np
import pytest
import torch

from drivetrain.core.seeds import numpy_generator, torch_generator


@pytest.mark.parametrize("seed", [0, 7, np.int32(7), np.uint64(2**64 - 1), 2**200])
def test_numpy_seed_repeats(seed: Any) -> None:
    first, second = numpy_generator(seed), numpy_generator(seed)
    assert first.integers(2**60, size=4).tolist() == second.integers(2**60, size=4).tolist()


def test_numpy_seed_is_numpys_own() -> None:
    assert numpy_generator(3).random() == np.random.default_rng(3).random()
    sequence = np.random.SeedSequence(3)
    assert numpy_generator(sequence).random() == np.random.default_rng(3).random()


def test_numpy_generator_is_continued_not_copied() -> None:
    generator = np.random.default_rng(0)
    assert numpy_generator(generator) is generator


def test_numpy_legacy_stream_advances() -> None:
    legacy = np.random.RandomState(0)
    assert numpy_generator(legacy).random() != numpy_generator(legacy).random()
    again = np.random.RandomState(0)
    again_first = numpy_generator(again).random()
    assert again_first == numpy_generator(np.random.RandomState(0)).random()


def test_numpy_none_differs_each_time() -> None:
    assert numpy_generator().random() != numpy_generator().random()


@pytest.mark.parametrize("seed", [True, np.True_, 1.0, "1", torch.Generator(), [1]])
def test_numpy_refuses_what_is_no_seed(seed: Any) -> None:
    with pytest.raises(TypeError, match=r"^random_state must be None, an integer or a numpy"):
        numpy_generator(seed)


def test_numpy_refuses_negative_seeds() -> None:
    with pytest.raises(ValueError, match=r"^random_state must be >= 0. Got -1.$"):
        numpy_generator(-1)


@pytest.mark.parametrize("seed", [0, 7, np.int64(7), 2**64 - 1])
def test_torch_seed_repeats(seed: Any) -> None:
    first, second = torch_generator(seed), torch_generator(seed)
    assert torch.equal(torch.randn(4, generator=first), torch.randn(4, generator=second))


def test_torch_seed_is_torchs_own() -> None:
    own = torch.Generator().manual_seed(5)
    assert torch.equal(torch.randn(4, generator=torch_generator(5)), torch.randn(4, generator=own))


def test_torch_generator_is_continued_not_copied() -> None:
    generator = torch.Generator()
    assert torch_generator(generator) is generator


def test_torch_none_follows_manual_seed() -> None:
    state = torch.get_rng_state()
    try:
        torch.manual_seed(11)
        first, other = torch_generator(), torch_generator()
        torch.manual_seed(11)
        again = torch_generator()
    finally:
        torch.set_rng_state(state)
    draws = [torch.randn(4, generator=generator) for generator in (first, other, again)]
    assert torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[1])


@pytest.mark.parametrize("seed", [True, 1.0, "1", np.random.default_rng(0)])
def test_torch_refuses_what_is_no_seed(seed: Any) -> None:
    with pytest.raises(TypeError, match=r"^generator must be None, an integer or a torch"):
        torch_generator(seed)


@pytest.mark.parametrize("seed", [-1, 2**64, np.int8(-3)])
def test_torch_refuses_seeds_out_of_range(seed: Any) -> None:
    with pytest.raises(ValueError, match=r"^generator must be >= 0 and < 2\^64. Got "):
        torch_generator(seed)
