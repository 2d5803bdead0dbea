"""One way to hand randomness in: ``random_state=`` for numpy, ``generator=`` for torch."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

RandomState = int | np.random.Generator | np.random.RandomState | np.random.SeedSequence | None


def numpy_generator(random_state: RandomState = None) -> np.random.Generator:
    """Return a numpy Generator for any of scikit-learn's and numpy's ways to say a seed.

    A Generator is used as it is, so that successive calls continue its stream.

    Raises:
        TypeError: Not a seed.
        ValueError: A negative seed.
    """
    if isinstance(random_state, np.random.RandomState):
        # The legacy stream seeds a new one: it advances, so two calls differ, as users expect.
        return np.random.default_rng(random_state.randint(0, 2**32, size=4, dtype=np.uint32))
    if isinstance(random_state, bool) or not isinstance(
        random_state, (int, np.integer, np.random.Generator, np.random.SeedSequence, type(None))
    ):
        raise TypeError(
            "random_state must be None, an integer or a numpy Generator. "
            f"Got {type(random_state).__name__}."
        )
    if isinstance(random_state, (int, np.integer)) and random_state < 0:
        raise ValueError(f"random_state must be >= 0. Got {random_state}.")
    return np.random.default_rng(random_state)


def torch_generator(
    generator: "torch.Generator | int | None" = None, *, device: str = "cpu"
) -> "torch.Generator":
    """Return a torch Generator on ``device``: the given one, or a new one from a seed.

    Without either, the seed is drawn from torch's own stream, so ``torch.manual_seed`` decides.

    Raises:
        TypeError: Neither a Generator, nor an integer, nor None.
        ValueError: A seed outside 0 to 2^64 - 1.
    """
    import torch

    if isinstance(generator, torch.Generator):
        return generator
    if generator is None:
        generator = int(torch.randint(2**63 - 1, ()))
    if isinstance(generator, bool) or not isinstance(generator, (int, np.integer)):
        raise TypeError(
            "generator must be None, an integer or a torch.Generator. "
            f"Got {type(generator).__name__}."
        )
    if not 0 <= generator < 2**64:
        raise ValueError(f"generator must be >= 0 and < 2^64. Got {generator}.")
    made = torch.Generator(device=device)
    made.manual_seed(int(generator))
    return made
