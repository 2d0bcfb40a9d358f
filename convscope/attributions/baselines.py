"""Baselines: the image without information that an image is compared with.

A method that takes `x - x'` times a gradient gives nothing to a pixel that looks like the baseline, whatever the model makes of
it (Sturmfels, Lundberg & Lee 2020, Distill, doi 10.23915/distill.00022): from black, the usual one, a black cat is no evidence
of a cat. No baseline is free of that. Grey lies in the middle of the range, so that what is blind is blind to little, and it is
what the methods that hide parts of the image put there (occlusion, RISE, KernelSHAP): all of a study then ask the same
question. A blurred copy is blind to what is smooth; zero in model space is one colour or another, as the preprocessing has it.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from convscope.errors import UserError, nearest
from convscope.models.spec import ModelSpec

Baseline = np.ndarray | Callable[[np.ndarray], np.ndarray]
BASELINES = ("grey", "black", "blurred", "mean", "zero")


def named_baseline(
    name: str, spec: ModelSpec, background: np.ndarray | None = None, blur: float = 10.0, method: str = "attributions"
) -> Baseline:
    """A baseline that is given in image space, brought to model space: black is -1 there for Xception, and 0 is mid-grey.

    Args:
        name: "grey" (127.5), "black", "blurred" (the image itself without detail), "mean" (of the image set) or "zero" (of
            model space, whatever colour that is).
        spec: its preprocessing.
        background: (M, H, W, C) in model space, the images of the set; for "mean".
        blur: standard deviation of the Gaussian in pixels; for "blurred".
        method: whose setting it is, for the message.

    Returns:
        (1, 1, 1, C) or (1, H, W, C) float32 in model space, or a function of the images.

    Raises:
        UserError: unknown name, or "mean" without images.
    """
    if name == "black":
        return spec.colour((0, 0, 0)).reshape(1, 1, 1, -1)
    if name == "grey":
        return spec.colour((127.5, 127.5, 127.5)).reshape(1, 1, 1, -1)
    if name == "zero":
        return np.zeros((1, 1, 1, spec.depth), np.float32)
    if name == "blurred":
        return lambda images: _blurred(images, spec, blur)
    if name == "mean":
        if background is None or not len(background):
            raise UserError(f"{method}: baseline 'mean' needs the images of a set; use grey, black or blurred")
        return background.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
    raise UserError(f"{method}: baseline '{name}' does not exist; {nearest(name, BASELINES)}")


def baseline_of(images: np.ndarray, baseline: Baseline) -> np.ndarray:
    """The baseline of each image: (N, H, W, C) float32 in model space."""
    given = baseline(images) if callable(baseline) else baseline
    return np.broadcast_to(np.asarray(given, np.float32), images.shape)


def _blurred(images: np.ndarray, spec: ModelSpec, sigma: float) -> np.ndarray:
    filter = ImageFilter.GaussianBlur(sigma)
    pixels = np.clip(np.rint(spec.to_pixels(images)), 0, 255).astype(np.uint8)
    planes = np.moveaxis(pixels, -1, 1)
    blurred = [[np.asarray(Image.fromarray(plane).filter(filter)) for plane in picture] for picture in planes]
    return spec.preprocess(np.moveaxis(np.array(blurred, np.uint8).reshape(planes.shape), 1, -1))
