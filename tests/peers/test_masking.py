"""Occlusion (1311.2901) and RISE (1806.07421): the methods that hide parts of the image."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from captum import attr
from keras import layers
from xplique.attributions import Occlusion, Rise

from convscope.attributions.batches import Predict, score_of
from convscope.attributions.occlusion import occlusion_map
from convscope.attributions.rise import random_masks, rise_map
from tests.peers.figures import Figures
from tests.peers.networks import SIZE, Pair, nchw, nhwc, one_hot

BLACK = np.full(3, -1.0, np.float32)


def ours_of(net: Pair, images: np.ndarray, targets: np.ndarray, patch: int, stride: int) -> np.ndarray:
    return np.stack(
        [
            occlusion_map(score_of(net.scores, int(target)), image, BLACK, (patch, patch), (stride, stride))
            for image, target in zip(images, targets, strict=True)
        ]
    )


@pytest.mark.parametrize(("patch", "stride"), [(8, 8), (8, 4), (6, 4), (5, 5)])
def test_occlusion(
    patch: int, stride: int, flat: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures
) -> None:
    """Captum too averages where patches overlap, and lets the last one reach beyond the border."""
    theirs = attr.Occlusion(flat.torch).attribute(
        nchw(images), (3, patch, patch), (3, stride, stride), baselines=-1.0, target=torch.tensor(targets)
    )
    figures.agree("occlusion", "captum", ours_of(flat, images, targets, patch, stride), nhwc(theirs)[..., 0])


def test_xplique_adds_up_and_leaves_the_border(
    flat: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures
) -> None:
    """The drop of a patch is `S(x) - S(x with patch)`, in units of the score. Xplique sums it over the patches that cover a
    pixel, so that the number depends on the stride and falls towards the border; and what is left of the image beside
    the last whole patch is never hidden: its heat is 0 whatever lies there.
    """

    def theirs(patch: int, stride: int) -> np.ndarray:
        explain = Occlusion(flat.keras, patch_size=patch, patch_stride=stride, occlusion_value=-1.0)
        return explain(images, one_hot(targets)).numpy()[..., 0]

    figures.agree("occlusion, no overlap", "xplique", ours_of(flat, images, targets, 8, 8), theirs(8, 8))
    ours, summed = ours_of(flat, images, targets, 8, 4), theirs(8, 4)
    covered = np.minimum(np.arange(SIZE // 4) + 1, np.arange(SIZE // 4, 0, -1)).clip(max=2).repeat(4)
    figures.agree("occlusion x patches that cover", "xplique", ours * np.outer(covered, covered), summed)
    figures.differ("occlusion, as given", "xplique", ours, summed, 0.5)
    border = theirs(5, 5)
    assert (border[:, 30:] == 0).all() and (border[:, :, 30:] == 0).all()
    assert (ours_of(flat, images, targets, 5, 5)[:, 30:] != 0).all()


def probability_of(net: Pair, target: int) -> Predict:
    return lambda some: net.scores.probabilities(some)[:, target]


def with_softmax(net: Pair) -> keras.Model:
    return keras.Model(net.keras.input, layers.Softmax()(net.keras.output))


def test_rise_with_the_same_masks(
    flat: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The paper, eq. 6: `S = 1 / (E[M] N) sum_i f(x M_i) M_i`. Xplique divides by what the masks really add up to at each
    pixel, `sum_i M_i`; we take off the mean first, `1 / (E[M] (N - 1)) sum_i (f(x M_i) - mean f) M_i`. Both are rid of the
    masks' own density that way, and meet but for the mean when the number of masks grows.
    """
    image, target, keep = images[0], int(targets[0]), 0.5
    masks = np.concatenate(list(random_masks(np.random.default_rng(0), 96, (SIZE, SIZE), 8, keep)))
    ours, _, mean = rise_map(probability_of(flat, target), image, BLACK, iter([masks]), keep)

    def given(single: tf.Tensor, part: tf.Tensor, value: float) -> tuple[tf.Tensor, tf.Tensor]:
        return part * single[None] + (1 - part) * value, part

    monkeypatch.setattr(Rise, "_get_masks", staticmethod(lambda *_: tf.constant(masks[..., None])))
    monkeypatch.setattr(Rise, "_apply_masks", staticmethod(given))
    theirs = Rise(with_softmax(flat), nb_samples=96, mask_value=-1.0)(images[:1], one_hot(targets[:1])).numpy()[
        0, ..., 0
    ]
    same = mean + ours * keep * 95 / masks.sum(axis=0)
    figures.agree("RISE x E[M] / mean of M, and the mean", "xplique", same, theirs)
    figures.differ("RISE, as given", "xplique", ours, theirs, 0.02)
    # The paper's own, from ours.
    values = probability_of(flat, target)((BLACK + masks[..., None] * (image - BLACK)).astype(np.float32))
    paper = np.einsum("n,nhw->hw", values, masks) / (keep * 96)
    figures.agree("RISE, eq. 6", "the formula", ours * 95 / 96 + mean * masks.mean(axis=0) / keep, paper)


def test_rise_with_masks_of_its_own(flat: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """Many masks each, so that what is left is chance; a constant is left out by both."""
    image, target, keep = np.tanh(3 * images[0]), int(targets[0]), 0.5
    count = 1000
    batches = list(random_masks(np.random.default_rng(0), count, (SIZE, SIZE), 4, keep))
    ours, _, _ = rise_map(probability_of(flat, target), image, BLACK, iter(batches), keep)
    keras.utils.set_random_seed(1)
    library = Rise(with_softmax(flat), nb_samples=count, grid_size=4, mask_value=-1.0, batch_size=1)
    theirs = library(image[None], one_hot(targets[:1])).numpy()[0, ..., 0]
    figures.alike("RISE, own masks", "xplique", ours, theirs, 0.95)


def test_xplique_shifts_a_batch_of_masks_at_once() -> None:
    """The paper: each mask is cropped at a shift of its own, so that the borders of the cells lie everywhere. Xplique crops
    a batch at one shift; with a batch of one it is the paper's.
    """
    image = tf.zeros((SIZE, SIZE, 1))
    same = tf.ones((40, 4, 4, 1), tf.float32) * tf.constant(np.eye(4, dtype=np.float32))[None, ..., None]
    _, theirs = Rise._apply_masks(image, same, 0.0)
    assert (theirs.numpy() == theirs.numpy()[:1]).all()

    def ours() -> Iterator[np.ndarray]:
        class Same(np.random.Generator):
            """The same cells in every mask: only the shifts are random."""

            def random(self, size: tuple[int, ...]) -> np.ndarray:  # type: ignore[override]
                return 1 - np.broadcast_to(np.eye(4), size)

        return random_masks(Same(np.random.PCG64(0)), 40, (SIZE, SIZE), 4, 0.5)

    masks = np.concatenate(list(ours()))
    assert len(np.unique(masks, axis=0)) > 20
