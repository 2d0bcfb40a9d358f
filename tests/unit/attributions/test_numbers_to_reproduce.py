"""A network whose every gradient can be worked out by hand, and the published answers of each method for its unit 0.

Grad-CAM's two rows are in test_cams.py. The last ReLU belongs to the network: the score is the unit's output behind it.
"""

from typing import Any

import numpy as np
import pytest

from convscope.attributions.base import heat
from convscope.attributions.class_scores import ClassScores
from convscope.attributions.integrated import IntegratedGradients
from convscope.attributions.registry import explainer
from tests.unit.cams.test_mapper import CLASSES, spec_for, worked_example

IMAGE = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
SPEC = spec_for(CLASSES, "multiclass", 4)
PUBLISHED = {
    "guided_backprop": [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]],
    "deconvnet": [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]],
    "saliency": [[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]],
}


def test_every_output_is_54() -> None:
    assert worked_example()(IMAGE).numpy().tolist() == [[54, 54, 54, 54]]


@pytest.mark.parametrize("method", PUBLISHED)
def test_published_maps(method: str) -> None:
    found: Any = explainer(method, worked_example(), SPEC)(IMAGE, np.array([0]), ["image"])
    np.testing.assert_allclose(heat(found.maps, signed=False)[0], PUBLISHED[method], atol=1e-6)
    np.testing.assert_allclose(found.maps[0, ..., 0], PUBLISHED[method], atol=1e-6)


def test_both_relus_are_patched() -> None:
    found = explainer("guided_backprop", worked_example(), SPEC)(IMAGE, np.array([0]), ["image"])
    assert found.facts["patched_relus"].tolist() == [2]


def test_integrated_gradients_sum_up_to_the_score() -> None:
    explain = IntegratedGradients(ClassScores(worked_example(), SPEC), np.zeros((4, 4, 1)), 500)
    found = explain(IMAGE, np.array([0]), ["image"])
    assert found.maps.sum() == pytest.approx(54, rel=0.005)
    assert found.facts["completeness_gap"][0] == pytest.approx(found.maps.sum() - 54, abs=1e-4)
