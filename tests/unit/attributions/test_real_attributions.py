"""Attributions on the real Xception, where it lies beside the checkout: guided backprop follows edges, saliency scatters."""

import keras
import numpy as np
from scipy.stats import spearmanr

from convscope.attributions.base import heat
from convscope.attributions.class_scores import ClassScores
from convscope.attributions.gradients import Saliency
from convscope.attributions.rectifiers import RectifiedGradient
from convscope.models.spec import ModelSpec
from convscope.pictures.read import load_images
from tests.unit.filters.test_real_xception import PHOTOS, pytestmark, xception

__all__ = ["pytestmark", "xception"]


def test_guided_backprop_is_sharper_than_saliency(xception: tuple[keras.Model, ModelSpec]) -> None:
    network, spec = xception
    paths = [PHOTOS / kind / name for kind, name in (("cats", "cat.4004.jpg"), ("dogs", "dog.4005.jpg"))]
    paths = [path if path.is_file() else sorted(path.parent.iterdir())[3] for path in paths]
    photos = load_images([str(path) for path in paths], spec.input_size, spec.resize)
    images, targets, keys = spec.preprocess(photos), np.array([0, 1]), ["cat", "dog"]
    guided = RectifiedGradient(network, spec, "guided")
    activations = [layer for layer in network.layers if getattr(layer, "activation", None) is keras.activations.relu]
    assert guided.patched == len(activations) > 30
    maps = {
        "guided": heat(guided(images, targets, keys).maps, signed=False),
        "saliency": heat(Saliency(ClassScores(network, spec))(images, targets, keys).maps, signed=False),
    }
    edges = np.hypot(*np.gradient(photos.mean(axis=3), axis=(1, 2)))
    for index in range(2):
        follows = {name: spearmanr(found[index].ravel(), edges[index].ravel())[0] for name, found in maps.items()}
        share = {name: np.sort(found[index].ravel())[-2500:].sum() / found[index].sum() for name, found in maps.items()}
        assert follows["guided"] > follows["saliency"] + 0.05
        assert share["guided"] > share["saliency"]
