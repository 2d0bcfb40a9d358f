"""The formulas of the class activation maps: feature maps and gradients in, a map out.

Throughout: `activations` (N, h, w, K) float32, the feature maps A; `gradients` (N, h, w, K) float32, those of the class
score (a logit) with respect to A. Maps are (N, h, w) float32, not normalised.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops


def grad_cam(activations: Any, gradients: Any) -> Any:
    """Grad-CAM: `ReLU(sum_k a_k A_k)` with `a_k = mean_ij dy_c/dA_ijk` (Selvaraju et al. 2016, 1610.02391).

    Returns:
        Map >= 0; all zeros where nothing speaks for the class.
    """
    return _weighted(activations, ops.mean(gradients, axis=(1, 2)))


def grad_cam_plus_plus(activations: Any, gradients: Any) -> Any:
    """Grad-CAM++: `ReLU(sum_k w_k A_k)` with `w_k = sum_ij alpha ReLU(g)` (Chattopadhay et al. 2017, 1710.11063, eq. 19).

    `alpha = g^2 / (2 g^2 + S g^3)` with `S = max(sum_ab A_ab, 0)`, 0/0 := 0. The paper's factor exp(score), the same for the
    whole map, is left out: it overflows at a logit of 89.

    The paper takes feature maps behind a ReLU. There `sum A >= 0`, and where it counts (g > 0) alpha lies between 0 and 1/2.
    Of maps below 0 (no ReLU behind the layer, or a swish) eq. 19 has a pole at `g sum A = -2`: alpha grows without bound
    towards it, and behind it a gradient that speaks for the class counts against it. So S stops at 0, where alpha is 1/2: the
    weight goes on continuously and is never larger than half the gradient's. Others replace denominators of exactly 0 by 1
    (the authors) or add 1e-7, which leaves everything beside the pole as it was.

    Returns:
        Map >= 0.
    """
    total = ops.relu(ops.sum(activations, axis=(1, 2), keepdims=True))
    # g^2 cancels out of alpha, so that small gradients do not underflow; the weight is 0 where g is.
    positive = ops.relu(gradients)
    return _weighted(activations, ops.sum(positive / (2 + total * positive), axis=(1, 2)))


def layer_cam(activations: Any, gradients: Any) -> Any:
    """Layer-CAM: `ReLU(sum_k ReLU(g_k) A_k)`, a weight for every place (Jiang et al., IEEE Trans. Image Processing 2021).

    Returns:
        Map >= 0.
    """
    return ops.relu(ops.sum(ops.relu(gradients) * activations, axis=3))


def class_map(activations: Any, weights: Any) -> Any:
    """CAM: `sum_k w_ck A_k`, the class's own weights behind global average pooling (Zhou et al. 2015, 1512.04150).

    Args:
        activations: (N, h, w, K).
        weights: (N, K), column c of the dense layer for the class of each image.

    Returns:
        Signed map: below 0 speaks against the class. Its mean, plus the bias, is the class's score.
    """
    return ops.einsum("nhwk,nk->nhw", activations, weights)


def eigen_cam(activations: np.ndarray) -> np.ndarray:
    """Eigen-CAM: the feature maps projected on their first right singular vector (Muhammad & Yeasin 2020, 2008.00299).

    The vector's sign is arbitrary: it is chosen so that most places have a positive projection (where as many are
    negative, so that the sum is positive). Knows nothing of classes.

    Args:
        activations: (N, h, w, K).

    Returns:
        Map >= 0 (what is left below 0 is cut off), float32.
    """
    # The smaller of the two Gram matrices has the same leading singular vector, for a fraction of the time.
    from scipy.linalg import eigh

    count, height, width, channels = activations.shape
    places = height * width
    result = np.zeros((count, places), np.float64)
    for index, maps in enumerate(np.asarray(activations, np.float64).reshape(count, places, channels)):
        largest = np.abs(maps).max(initial=0.0)
        if largest == 0:
            continue
        scaled = maps / largest
        last = min(places, channels) - 1
        if places <= channels:
            values, vectors = eigh(scaled @ scaled.T, subset_by_index=[last, last])
            projection = vectors[:, 0] * np.sqrt(max(values[0], 0.0))
        else:
            _, vectors = eigh(scaled.T @ scaled, subset_by_index=[last, last])
            projection = scaled @ vectors[:, 0]
        result[index] = largest * _with_sign(projection)
    return np.maximum(result, 0).reshape(count, height, width).astype(np.float32)


def _with_sign(projection: np.ndarray) -> np.ndarray:
    # What is zero but for rounding has no vote.
    counted = projection[np.abs(projection) > 1e-9 * np.abs(projection).max()]
    vote = int((counted > 0).sum()) - int((counted < 0).sum())
    return -projection if vote < 0 or (vote == 0 and projection.sum() < 0) else projection


def _weighted(activations: Any, weights: Any) -> Any:
    return ops.relu(ops.einsum("nhwk,nk->nhw", activations, weights))


# The methods that need nothing but feature maps and gradients.
FROM_GRADIENTS: dict[str, Callable[[Any, Any], Any]] = {
    "gradcam": grad_cam,
    "gradcam_plus_plus": grad_cam_plus_plus,
    "layer_cam": layer_cam,
}
