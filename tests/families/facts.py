"""What is true of one network: measured, nothing of it looked up."""

import re
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convscope.attributions.rectifiers import RectifiedNetwork
from convscope.cams.mapper import ClassMapper
from convscope.filters.presets import AscentSettings
from convscope.filters.run import ascend
from convscope.models.cam_layer import default_cam_layer
from convscope.models.graphs import split_at
from convscope.models.layers import layer_table
from convscope.models.load import import_network
from convscope.models.preprocessing import preprocessing
from convscope.models.spec import ModelSpec
from tests.families.networks import Family, perturbed

# Four plants each. By chance one in four is right; twelve of sixteen or more four times in 100,000.
_PICTURES = 4
# Random networks to look at for one whose feature maps change where something is planted, this share of all their change; where they
# change alike everywhere it is a quarter.
_NETWORKS, _KEPT = 5, 0.33
_ASCENT = AscentSettings(size=96, steps=6, step_length=0.5, border=0, crop=0)


def measure(family: Family) -> dict[str, Any]:
    """Everything that the page says of a family, of the first of its random networks that keeps the place of a change."""
    for seed in range(_NETWORKS):
        model, network, spec = _network(family, seed)
        layer = default_cam_layer(network, spec.input_size)
        facts = _map_facts(network, spec, layer)
        if facts.pop("kept") >= _KEPT:
            break
    photos = np.random.default_rng(1).uniform(0, 255, (2, *spec.input_size, 3)).astype(np.float32)
    images = spec.preprocess(photos)
    expected, found = np.asarray(model(images, training=False)), np.asarray(network(images, training=False))
    rectified = RectifiedNetwork(network, "guided")
    rows = [row for row in layer_table(network, spec) if row.role == "conv"]
    # A convolution behind the pooling is a dense layer by another name.
    seen = [row for row in rows if row.height > 1]
    return {
        "family": family.name,
        "members": list(family.members),
        "difference": float(np.abs(expected - found).max() / np.abs(expected).max()),
        "layer": layer,
        "as_a_person": bool(re.fullmatch(family.target, layer)),
        **facts,
        "relus": rectified.patched,
        "others": dict(sorted(rectified.others.items())),
        **_guided_facts(network, rectified, images[:1]),
        "layers": len(rows),
        **({f"{name}_{key}": value for name, row in (("early", seen[0]), ("late", seen[-1]))
            for key, value in _ascent(network, spec, row.name).items()} if seen else {}),
    }  # fmt: skip


def _network(family: Family, seed: int) -> tuple[keras.Model, keras.Model, ModelSpec]:
    """A random network of a family, and what is explained of it."""
    keras.utils.set_random_seed(seed)
    model = family.build()
    space = {"scale": 1.0, "offset": 0.0, **preprocessing(family.preprocessing)}
    noise = np.random.default_rng(3).uniform(0, 255, (4, *model.inputs[0].shape[1:]))
    perturbed(model, (noise * space["scale"] + space["offset"]).astype(np.float32))
    settings = {"preprocessing": family.preprocessing, "head": "softmax", "resize": "stretch"}
    return model, *import_network("network", model, settings)


def _map_facts(network: keras.Model, spec: ModelSpec, layer: str) -> dict[str, Any]:
    """The map's size, and of how many planted changes the maps of all classes change more in that quarter than by the others.

    `kept`: the share of all change of the feature maps themselves that lies in that quarter. The gates of squeeze and excite change
    them everywhere, in some random networks more than the place itself; no map can show there what the network has lost.
    """
    height, width = spec.input_size
    rng = np.random.default_rng(2)
    mapper = ClassMapper(network, spec, layer, ["gradcam"])
    head, _ = split_at(network, layer)
    moves, kept = 0, 0.0
    for _ in range(_PICTURES):
        photos = np.repeat(rng.uniform(100, 156, (1, height, width, 3)), 5, axis=0)
        for place, photo in enumerate(photos[1:]):
            # In the middle of a quarter, which a small map tells from the others.
            top, left = (
                half * side // 2 + side // 8 for half, side in zip(divmod(place, 2), spec.input_size, strict=True)
            )
            photo[top : top + height // 4, left : left + width // 4] = rng.uniform(0, 255, (height // 4, width // 4, 3))
        images = spec.preprocess(photos.astype(np.float32))
        maps = mapper(images, np.full(5, -1), "all").maps["gradcam"]
        features = np.moveaxis(np.asarray(head(tf.constant(images))[0]), 3, 1)
        # What changes in a quarter wherever noise is planted (edges, gates) says nothing of the place.
        shares = _shares(maps)
        moves += int(((shares - shares.mean(axis=0)).argmax(axis=1) == np.arange(4)).sum())
        kept += float(np.diag(_shares(features)).mean()) / _PICTURES
    return {"map": list(maps.shape[2:]), "moves": moves, "kept": kept}


def _shares(maps: np.ndarray) -> np.ndarray:
    """Where maps (5, T, h, w), the first of a picture without a change, change: (4, 4), of each its shares in the four quarters."""
    rows, columns = maps.shape[2:]
    moved = ((maps[1:] - maps[:1]) ** 2).sum(axis=1)
    halves = [moved[:, : rows // 2], moved[:, rows - rows // 2 :]]
    quarters = [part for half in halves for part in (half[..., : columns // 2], half[..., columns - columns // 2 :])]
    sums = np.stack([quarter.sum(axis=(1, 2)) for quarter in quarters], axis=1)
    return np.asarray(sums / sums.sum(axis=1, keepdims=True))


def _guided_facts(network: keras.Model, rectified: RectifiedNetwork, images: np.ndarray) -> dict[str, Any]:
    """How much of the plain gradient the guided one changes, 0 where there is no ReLU."""
    gradients = []
    for run in (lambda x: network(x, training=False), rectified):
        with tf.GradientTape() as tape:
            x = tf.constant(images)
            tape.watch(x)
            total = tf.reduce_sum(run(x)[:, 0])
        gradients.append(tape.gradient(total, x).numpy())
    plain, guided = gradients
    return {"guided_differs": float(np.abs(plain - guided).max() / np.abs(plain).max())}


def _ascent(network: keras.Model, spec: ModelSpec, layer: str) -> dict[str, Any]:
    """Whether two filters' responses rise, and by which graph."""
    size = max(96, *spec.input_size) if network.inputs[0].shape[1] is not None else 96
    told: list[str] = []
    settings = AscentSettings(**{**_ASCENT.as_dict(), "start": (0.4, 0.6), "size": size})
    found = ascend(network, spec, layer, [0, 1], settings, 0, on_mistrust=told.append)
    living = ~found.dead
    rises = found.objective[living, -1] > found.objective[living, 0]
    return {"layer": layer, "rises": bool(rises.all()) and bool(living.any()), "path": "Keras's" if told else "own"}
