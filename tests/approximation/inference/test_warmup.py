"""Warming up compiles what a first call would."""

from drivetrain.approximation.inference import _numba
from drivetrain.approximation.inference.warmup import warmup


def test_warmup_compiles_every_entry_point():
    warmup()
    for kernel in (_numba.run, _numba.push_scaling, _numba.push_batches, _numba.close_block):
        assert kernel.signatures
