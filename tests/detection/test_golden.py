"""The two worked examples: numbers that anyone can check by hand."""

import numpy as np
import pytest

from drivetrain.detection import examples
from drivetrain.detection.problem import average_precisions, pose, tables
from drivetrain.detection.reference import (
    ap_11_point,
    ap_101_point,
    ap_all_point,
    average_precision,
    curve,
)
from drivetrain.detection.styles import COCO_RECALLS

SURVEY = {
    "voc2007": 0.26839826839826836,
    "voc2010": 0.24568668046928915,
    "coco": 0.24816021974868288,
}


def test_the_article_s_table() -> None:
    R, P = curve(examples.ARTICLE_FLAGS, examples.ARTICLE_TRUTHS)
    assert P.round(4).tolist() == list(examples.ARTICLE_PRECISION)
    assert R.round(4).tolist() == list(examples.ARTICLE_RECALL)


def test_the_article_s_counts() -> None:
    found = sum(examples.ARTICLE_FLAGS)
    assert (found, len(examples.ARTICLE_FLAGS) - found) == (5, 5)
    assert examples.ARTICLE_TRUTHS - found == 2


def test_the_article_s_example_is_one_half_under_every_rule() -> None:
    R, P = curve(examples.ARTICLE_FLAGS, examples.ARTICLE_TRUTHS)
    assert ap_11_point(R, P) == 0.5
    assert ap_11_point(R, P, grid="arange") == 0.5
    assert ap_all_point(R, P) == 0.49999999999999994
    assert ap_101_point(R, P) == 0.5


@pytest.mark.parametrize("style", SURVEY)
def test_the_survey_s_example_tells_the_rules_apart(style: str) -> None:
    R, P = curve(examples.SURVEY_FLAGS, examples.SURVEY_TRUTHS)
    assert average_precision(R, P, style) == SURVEY[style]


@pytest.mark.parametrize("style", SURVEY)
def test_the_survey_s_boxes_give_its_numbers(style: str) -> None:
    truth, found = examples.survey_data()
    got = average_precisions(truth, found, examples.survey_style(style))
    assert got[0, 0, 0, -1] == SURVEY[style]


def test_the_survey_s_boxes_match_where_it_says() -> None:
    problem = pose(*examples.survey_data(), examples.survey_style("voc2007"))
    ranked = problem.ranked(1, 0, 100)
    assert ranked is not None
    _, correct, _, n_truths = ranked
    assert tuple(np.flatnonzero(correct[0]) + 1) == examples.SURVEY_RANKS
    assert n_truths == examples.SURVEY_TRUTHS


def test_without_its_last_pixel_a_box_loses_rank_23() -> None:
    from dataclasses import replace

    style = replace(examples.survey_style("voc2007"), inclusive=False)
    ranked = pose(*examples.survey_data(), style).ranked(1, 0, 100)
    assert ranked is not None
    assert tuple(np.flatnonzero(ranked[1][0]) + 1) == examples.SURVEY_RANKS[:-1]


def test_coco_s_table_of_the_survey() -> None:
    # ε = np.spacing(1) in the denominator moves each precision by at most ε of itself.
    got = tables(*examples.survey_data(), examples.survey_style("coco"))
    mean = got.precision[0, :, 0, 0, -1].mean()
    assert abs(mean - SURVEY["coco"]) <= 2 * np.spacing(1.0)
    assert got.recall[0, 0, 0, -1] == 7 / 15
    assert got.scores[0, 0, 0, 0, -1] == 0.95


def test_recalls_are_a_linspace() -> None:
    assert list(COCO_RECALLS) == np.linspace(0, 1, 101).tolist()


def test_the_grid_decides_where_recall_is_a_tenth() -> None:
    # Recall reaches exactly 3/10: numpy's .30000000000000004 is beyond it, 3/10 is not.
    R, P = curve([True, True, True], 10)
    assert ap_11_point(R, P) == pytest.approx(4 / 11, abs=1e-15)
    for grid in ("arange", "matlab"):
        assert ap_11_point(R, P, grid=grid) == pytest.approx(3 / 11, abs=1e-15)
    # .6 as 6/10 is where only numpy's grid misses it.
    R, P = curve([True] * 6, 10)
    assert ap_11_point(R, P, grid="matlab") == pytest.approx(7 / 11, abs=1e-15)
    assert ap_11_point(R, P, grid="arange") == pytest.approx(6 / 11, abs=1e-15)
