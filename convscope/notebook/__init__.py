"""Convscope for people in a notebook: on a live Keras model, the workflow's numbers, in results that draw themselves.

The functions are the root's: `convscope.explain`, `convscope.activations`, `convscope.filter_patterns`. They check their settings by
the schema of a study's config, take its defaults from there, and call what the workflow's scripts call. docs/notebook.md shows them.
"""

from typing import Any

from convscope.notebook.session import keras_as_needed

with keras_as_needed():
    from convscope.notebook.activation_maps import Activations, activations_of
    from convscope.notebook.explanations import Explanation
    from convscope.notebook.methods import explanation
    from convscope.notebook.models import KEYWORDS, canonical, layer_name
    from convscope.notebook.patterns import FilterPatterns, patterns_of

__all__ = ["Activations", "Explanation", "FilterPatterns", "activations", "explain", "filter_patterns"]


@keras_as_needed()
def explain(
    model: Any, images: Any, method: str = "gradcam", target: str | int = "predicted", **settings: Any
) -> Explanation:
    """Why a model says what it says of images: a map of each image by one method.

    Args:
        model: a Keras model, functional or sequential, one picture in and one classification out; or the path of a `.keras` or `.h5`
            file. Neither it nor its weights are changed.
        images: the path of a picture, a PIL picture, an array of pixels 0..255 (H, W, 3); many of these in a list; an array
            (N, H, W, 3); or a folder of pictures, or of class folders. They are brought to the model's size as the workflow does.
        method: a class activation map (gradcam, gradcam_plus_plus, layer_cam, eigen_cam, cam, score_cam) or an attribution
            (saliency, smoothgrad, integrated_gradients, occlusion, rise, lime, kernel_shap ...): the names of a config.
        target: the class explained: "predicted", "true" (of class folders), "all", a class name or an index.
        **settings: of the method, as in a config (`steps=20` for integrated gradients, `layer=` for class activation maps), of how it
            is drawn (`colormap`, `diverging`, `percentile`, `scale`), `batch`, `seed`; `compare_with=` images for methods that
            compare with others (default: the images themselves); `gap_head=` the workflow's file, for cam. Of the model:
            `classes`, `image_size`, `resize`, `preprocessing`, `channels`, `bands`, `shown_bands`, `inputs`, `output`, `code`, as for
            a file under `models:`.

    Returns:
        The maps, raw, with images, probabilities and facts; see `Explanation`.

    Raises:
        UserError: one line, what is wrong and what to do.
    """
    of_model, own = _parted(model, settings)
    return explanation(*canonical(model, of_model), images, method, target, own)


@keras_as_needed()
def activations(model: Any, images: Any, layer: Any, **settings: Any) -> Activations:
    """What every channel of a layer answers to images.

    Args:
        model, images: as in `explain`; the model needs no classifier.
        layer: name of a layer whose output is maps, of a nested network too; or the layer itself.
        **settings: `dtype`, "float16" (as the workflow stores them) or "float32"; and of the model, as in `explain`.

    Returns:
        The maps (N, h, w, C), with statistics of each channel; see `Activations`.

    Raises:
        UserError: one line, what is wrong and what to do.
    """
    of_model, own = _parted(model, settings)
    return activations_of(*canonical(model, of_model), images, layer_name(model, layer), own)


@keras_as_needed()
def filter_patterns(model: Any, layer: Any, filters: Any = 8, preset: str = "sharp", **settings: Any) -> FilterPatterns:
    """The images that filters of a layer respond to most, by gradient ascent from noise.

    Args:
        model: as in `explain`; it needs no classifier.
        layer: name of a convolution, of a nested network too; or the layer itself.
        filters: how many of the first filters, a list of them, or "all".
        preset: "sharp", "fast" or "textbook".
        **settings: of the ascent, as in a config (`size`, `steps` ...), `seed`, `threads`; and of the model, as in `explain`.

    Returns:
        The patterns (N, size, size, 3); see `FilterPatterns`.

    Raises:
        UserError: one line, what is wrong and what to do.
    """
    of_model, own = _parted(model, settings)
    return patterns_of(*canonical(model, of_model), layer_name(model, layer), filters, preset, own)


def _parted(model: Any, settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is said of the model, and the rest; None stands for the default everywhere."""
    given = {name: value for name, value in settings.items() if value is not None}
    of_model = {name: given.pop(name) for name in KEYWORDS if name in given}
    return of_model, given | ({"layer": layer_name(model, given["layer"])} if "layer" in given else {})
