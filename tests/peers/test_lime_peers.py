"""LIME (1602.04938): a ridge regression of the probability on which segments are shown, weighed by nearness."""

import numpy as np
import pytest
import tensorflow as tf
import torch
from captum import attr
from captum._utils.models.linear_model import SkLearnRidge
from captum.attr._core.lime import get_exp_kernel_similarity_function
from keras import Model, layers
from lime.lime_image import LimeImageExplainer
from sklearn.linear_model import Ridge
from xplique.attributions import Lime

from convscope.attributions.lime_segments import segment_model
from tests.peers.figures import Figures
from tests.peers.networks import SIZE, SPEC, Pair, nchw, one_hot

SAMPLES, SEED, WIDTH = 120, 4, 0.25
# 16 squares of 8 x 8.
SEGMENTS = np.arange(16).reshape(4, 4).repeat(8, axis=0).repeat(8, axis=1)


@pytest.fixture
def picture(images: np.ndarray) -> np.ndarray:
    """(32, 32, 3) float32 0..1 in which every segment has the mean colour 0.5: the grey that Xplique can hide it with."""
    squares = images[0].reshape(4, 8, 4, 8, 3)
    levelled = 0.5 + 0.2 * (squares - squares.mean(axis=(1, 3), keepdims=True))
    return levelled.reshape(SIZE, SIZE, 3).astype(np.float32)


def drawn_samples() -> np.ndarray:
    """What the `lime` library draws from this seed: (samples, segments) of 0 and 1, the whole picture first."""
    shown = np.random.RandomState(SEED).randint(0, 2, SAMPLES * 16).reshape(SAMPLES, 16)
    shown[0] = 1
    return shown


def ours_of(net: Pair, picture: np.ndarray, target: int) -> np.ndarray:
    def probabilities(some: np.ndarray) -> np.ndarray:
        return net.scores.probabilities(SPEC.preprocess(some * 255))

    return segment_model(probabilities, picture, SEGMENTS, target, SAMPLES, SEED).coefficients


def distance(shown: np.ndarray) -> np.ndarray:
    """Cosine distance to "everything shown", (samples,): `1 - sqrt(shown / all)`, and 1 where nothing is."""
    return 1 - np.sqrt(shown.sum(axis=-1) / shown.shape[-1])


def test_captum_with_the_same_samples(net: Pair, picture: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """The paper: `pi = exp(-D(x, z)^2 / s^2)`. The `lime` library, and so we, take D between the lists of segments and the
    square root of pi, which is captum's `exp(-D^2 / (2 s^2))`; with captum's D replaced by that both are the same fit.
    """
    target = int(targets[0])
    samples = iter(drawn_samples())

    def similarity(_: object, __: object, shown: torch.Tensor, **___: object) -> float:
        return float(np.exp(-(distance(shown[0].numpy()) ** 2) / (2 * WIDTH**2)))

    arguments = {
        "inputs": nchw(picture[None]), "baselines": 0.5, "target": target, "n_samples": SAMPLES,
        "feature_mask": torch.tensor(SEGMENTS)[None, None], "return_input_shape": False,
    }  # fmt: skip
    library = attr.Lime(
        lambda x: torch.softmax(net.torch(2 * x - 1), dim=1), SkLearnRidge(alpha=1), similarity,
        lambda *_, **__: torch.tensor(next(samples))[None],
    )  # fmt: skip
    theirs = library.attribute(**arguments)[0].numpy()
    ours = ours_of(net, picture, target)
    figures.agree("LIME", "captum", ours, theirs, 1e-4)
    # Captum's own D is between the pictures: hidden segments that look like their mean colour count as near.
    samples = iter(drawn_samples())
    library.similarity_func = get_exp_kernel_similarity_function("cosine", WIDTH)
    figures.differ("LIME, distance of pictures", "captum", ours, library.attribute(**arguments)[0].numpy(), 0.02)


def test_xplique_with_the_same_samples(net: Pair, picture: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """Xplique fits `Ridge(alpha=2)` with Euclidean distances of pictures by default; both may be given."""
    target = targets[:1]
    model = Model(net.keras.input, layers.Softmax()(net.keras.output))
    library = Lime(
        model,
        interpretable_model=Ridge(alpha=1),
        similarity_kernel=lambda _, shown, __: np.exp(-(distance(np.asarray(shown)) ** 2) / (2 * WIDTH**2)),
        pertub_func=lambda *_: tf.constant(drawn_samples(), tf.int32),
        map_to_interpret_space=lambda _: tf.constant(SEGMENTS, tf.int32),
        ref_value=np.zeros(3, np.float32),
        nb_samples=SAMPLES,
    )
    theirs = library(2 * picture[None] - 1, one_hot(target)).numpy()[0, ..., 0]
    figures.agree("LIME", "xplique", ours_of(net, picture, int(target[0]))[SEGMENTS], theirs, 1e-4)


def test_the_library_called_directly(net: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """`lime` with its own defaults, on a picture as it comes: what we set about it changes nothing in the numbers."""
    picture = ((images[1] + 1) / 2).astype(np.float64)
    target = int(targets[1])
    found = LimeImageExplainer(kernel_width=WIDTH, random_state=SEED).explain_instance(
        picture, lambda some: net.scores.probabilities((2 * some - 1).astype(np.float32)), labels=(target,),
        num_features=16, num_samples=SAMPLES, segmentation_fn=lambda _: SEGMENTS, random_seed=SEED,
    )  # fmt: skip
    theirs = np.array([dict(found.local_exp[target])[segment] for segment in range(16)])
    figures.agree("LIME", "lime", ours_of(net, picture.astype(np.float32), target), theirs, 1e-4)
