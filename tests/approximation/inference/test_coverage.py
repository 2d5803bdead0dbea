"""Coverage studies: their truths, and what the intervals are worth."""

import numpy as np
import pytest

from drivetrain.approximation.inference.coverage import coverage, problem_names


@pytest.mark.parametrize("problem", problem_names())
def test_short_studies_are_near_nominal(problem):
    found = coverage(problem, n=3000, repeats=60)
    for rate in found.rate.values():
        # 60 runs: standard error .028 about .95; short runs lose a few points more.
        assert rate >= 0.8
    # 60 squares: standard error 18 %, less over several coordinates; nothing is off by a factor.
    assert 0.5 < found.scaled_mse < 2.0
    plug_in = found.half_width["plug_in"] / found.ideal
    np.testing.assert_allclose(plug_in, 1.0, atol=0.12)


def test_hostile_settings_are_named():
    with pytest.raises(ValueError, match="Did you mean 'linear'"):
        coverage("liner")
    with pytest.raises(ValueError, match="n must be >= 100"):
        coverage("mean", n=5)
    with pytest.raises(ValueError, match="repeats must be >= 2"):
        coverage("mean", repeats=1)


@pytest.mark.slow
@pytest.mark.parametrize("problem", problem_names())
def test_long_studies_cover_what_they_say(problem):
    found = coverage(problem)
    for method, rate in found.rate.items():
        assert 0.93 <= rate <= 0.965, method
    np.testing.assert_allclose(np.mean(found.half_width["plug_in"] / found.ideal), 1.0, atol=0.03)
