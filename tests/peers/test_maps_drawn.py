"""Which layer a class activation map is taken from, and how it is brought to the size of the image."""

import keras
import numpy as np
import torch
from captum import attr
from keras import layers
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.utils.model_modifiers import ExtractIntermediateLayerForGradcam
from tf_keras_vis.utils.scores import CategoricalScore
from xplique.attributions import GradCAM

from convscope.cams.mapper import ClassMapper
from convscope.models.cam_layer import default_cam_layer
from convscope.pictures.render import upsample
from tests.peers.figures import Figures
from tests.peers.networks import SIZE, SPEC, Pair, nchw, one_hot

ROW = np.array([[0.0, 1.0]], np.float32)


def interpolated(maps: np.ndarray, aligned: bool) -> np.ndarray:
    """(N, h, w) -> (N, 32, 32) by torch, bilinear."""
    large = torch.nn.functional.interpolate(
        torch.tensor(maps)[:, None], (SIZE, SIZE), mode="bilinear", align_corners=aligned
    )
    return large[:, 0].numpy()


def raw_map(net: Pair, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return ClassMapper(net.keras, SPEC, "relu2")(images, targets, "true").maps["gradcam"][:, 0]


def test_enlarging_with_half_pixel_centres(
    flat: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures
) -> None:
    """[0, 1] becomes [0, 1/4, 3/4, 1]: each value lies in the middle of the pixels that it was computed from."""
    np.testing.assert_allclose(upsample(ROW, (1, 4))[0], [0, 0.25, 0.75, 1])
    maps = raw_map(flat, images, targets)
    ours = np.stack([upsample(each, (SIZE, SIZE)) for each in maps])
    figures.agree("Grad-CAM, drawn", "torch, bilinear", ours, interpolated(maps, aligned=False))
    theirs = attr.LayerAttribution.interpolate(nchw(maps[..., None]), (SIZE, SIZE), "bilinear")
    figures.agree("Grad-CAM, drawn", "captum, bilinear", ours, theirs[:, 0].numpy())


def test_tf_keras_vis_aligns_the_corners(flat: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """`scipy.ndimage.zoom` puts the first value on the first pixel and the last on the last: [0, 1/3, 2/3, 1]. Everything
    between moves outwards, by up to half a cell of the map.
    """
    maps = raw_map(flat, images, targets)
    ours = np.stack([upsample(each, (SIZE, SIZE)) for each in maps])
    theirs = np.asarray(
        Gradcam(flat.keras)(
            CategoricalScore(targets.tolist()), images, penultimate_layer="relu2",
            seek_penultimate_conv_layer=False, normalize_cam=False,
        )
    )  # fmt: skip
    figures.agree("corner-aligned map", "tf-keras-vis", interpolated(maps, aligned=True), theirs)
    figures.differ("Grad-CAM, drawn", "tf-keras-vis", ours, theirs, 0.05)


def test_xplique_enlarges_bicubically(flat: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """The map is `ReLU(...)`, at least 0; a cubic kernel has negative lobes, so that it overshoots on both sides."""
    ours = np.stack([upsample(each, (SIZE, SIZE)) for each in raw_map(flat, images, targets)])
    theirs = GradCAM(flat.keras, conv_layer="relu2")(images, one_hot(targets)).numpy()[..., 0]
    figures.differ("Grad-CAM, drawn", "xplique", ours, theirs, 0.05)
    assert ours.min() == 0 and theirs.min() < -0.01 * theirs.max()


def residual() -> keras.Model:
    """A block like Xception's: separable convolutions beside a shortcut of 1 x 1, added, then a ReLU."""
    keras.utils.set_random_seed(3)
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.SeparableConv2D(6, 3, padding="same", name="sepconv1")(image)
    x = layers.ReLU(name="sepconv1_act")(x)
    x = layers.SeparableConv2D(6, 3, padding="same", name="sepconv2")(x)
    x = layers.Add(name="add")([x, layers.Conv2D(6, 1, name="shortcut")(image)])
    x = layers.ReLU(name="last_act")(x)
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))


def test_the_layer_a_peer_looks_at(images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """The paper (1610.02391): A are the last convolutional feature maps, those that the classifier gets.

    tf-keras-vis looks for the last `BaseConv`, which SeparableConv2D is not in Keras 3; Xplique for the last layer in the
    model's list with `filters`. Both end at the shortcut, before sum and activation: half of what the classifier sees.
    """
    model = residual()
    assert default_cam_layer(model) == "last_act"
    found = ExtractIntermediateLayerForGradcam(seek_conv_layer=True)(model).outputs[-1]
    assert found._keras_history.operation.name == "shortcut"
    library = GradCAM(model)
    assert library.conv_layer.name == "shortcut"
    ours = ClassMapper(model, SPEC, "last_act")(images, targets, "true").maps["gradcam"][:, 0]
    theirs = Gradcam(model)(CategoricalScore(targets.tolist()), images, normalize_cam=False)
    figures.differ("Grad-CAM, layer searched", "tf-keras-vis", ours, theirs, 0.1)
    theirs = library(images, one_hot(targets)).numpy()[..., 0]
    figures.differ("Grad-CAM, layer searched", "xplique", ours, theirs, 0.1)
