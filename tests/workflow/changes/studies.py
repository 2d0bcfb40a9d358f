"""The studies that are changed: small ones, that together have a place for every leaf of the config."""

import copy
from typing import Any

import yaml

from convscope.attributions.names import METHODS

_TEXT = """
# Every source of pictures, listed, seen by a network, and judged with part masks.
data:
  seed: 1
  datasets:
    pets: {source: drawn_pets, image_size: 64, images_per_class: {test: 2}}
    produce: {source: drawn_produce, image_size: 64, images_per_class: {test: 1}}
    photos: {source: path, path: user/photos, masks: masks, splits: {day: day, night: night}}
    herd: {source: path, path: user/herd, masks: ../herd_masks, images_per_class: {some: 1, rest: 1}}
    packed: {source: archive, url: "file://{here}/user/served/pack.zip", folder: pack/all}
    sheet: {source: table, path: user/list.csv}
  models: {net: {source: file, path: user/net.keras, image_size: 32, classes: [a, b]}}
  image_sets:
    day: {dataset: photos, split: day, per_class: 2}
    herd: {dataset: herd, split: some}
    packed: {dataset: packed, split: all}
    loose: {files: [user/loose/0.png, user/loose/1.png]}
    album: {folder: user/album}
    served: {urls: ["file://{here}/user/served/photo0.png"]}
  activations:
    net: {images: [packed, loose, album, served], layers: [conv1]}
  cams:
    net: {images: [day, herd]}
  judging:
    net: {images: [day, herd], metrics: [localisation], steps: 3}

# A network trained and tested, and what it gets wrong.
trained:
  seed: 2
  datasets:
    pets: {source: drawn_pets, image_size: 64, images_per_class: {train: 4, validation: 2, test: 3}}
    others: {source: drawn_pets, image_size: 64, images_per_class: {train: 2, validation: 2}}
  models:
    net: {source: train, architecture: mini_xception, dataset: pets, image_size: 48, width: 0.25, epochs: 2, batch_size: 4}
  evaluations: {net: [pets/test]}
  image_sets:
    found: {evaluation: net, dataset: pets, split: test, group: all, limit: 2}
  cams:
    net: {images: [found]}

# A new head on a model's frozen layers, the last of them fine-tuned.
transferred:
  seed: 7
  datasets:
    pets: {source: drawn_pets, image_size: 64, images_per_class: {train: 4, validation: 2, test: 3}}
    others: {source: drawn_pets, image_size: 64, images_per_class: {train: 2, validation: 2}}
  models:
    net: {source: file, path: user/net.keras, image_size: 32, classes: [a, b]}
    other: {source: file, path: user/other.keras, image_size: 32, classes: [a, b]}
    new: {source: transfer, base: net, dataset: pets, epochs: 2, batch_size: 4, units: 4, fine_tune: {from: conv2, epochs: 2}}
  image_sets:
    two: {dataset: pets, split: test, per_class: 1}
  cams:
    new: {images: [two]}

# Models of every origin, and their layers.
imported:
  datasets: {}
  models:
    net: {source: file, path: user/net.keras, image_size: 32, classes: [a, b]}
    app: {source: application, application: MobileNetV3Small, weights: user/app.weights.h5, classes: [a, b]}
    slim: {source: preset, preset: slim, folder: user/presets, image_size: 64}
  filters:
    net: {layers: [conv1], filters: 1, size: 16, steps: 1}

# Filters and activations.
layers:
  seed: 3
  models: {net: {source: file, path: user/net.keras, image_size: 32, classes: [a, b]}}
  image_sets:
    loose: {files: [user/loose/0.png, user/loose/1.png]}
    album: {folder: user/album}
  activations:
    net: {images: [loose], layers: [conv1, conv2]}
  filters:
    net:
      layers: [conv1]
      filters: 2
      preset: [textbook, fast, sharp]
      size: 24
      steps: 2
      crop: 2
      coarse_size: 16
      coarse_steps: 1

# Pictures of several things at once.
objectives:
  seed: 3
  models: {net: {source: file, path: user/net.keras, image_size: 32, classes: [a, b]}}
  image_sets: {}
  filters:
    net:
      layers: [conv1]
      filters: 2
      size: 24
      steps: 2
      crop: 2
      objectives: {two: {layer: conv1, filters: [0, 1]}}

# What filters look for, in words.
words:
  seed: 8
  datasets:
    pets: {source: drawn_pets, image_size: 64, images_per_class: {test: 2}}
  models: {net: {source: file, path: user/net.keras, image_size: 32, classes: [a, b]}}
  image_sets:
    two: {dataset: pets, split: test, per_class: 1}
    four: {dataset: pets, split: test}
  units:
    net: {images: [two], layers: [conv1]}

# Which concepts its classes depend on.
vectors:
  seed: 9
  datasets:
    pets: {source: drawn_pets, image_size: 64, images_per_class: {test: 4}}
  models: {net: {source: file, path: user/net.keras, image_size: 32, classes: [a, b]}}
  image_sets:
    four: {dataset: pets, split: test, per_class: 2}
    six: {dataset: pets, split: test, per_class: 3}
  concepts:
    net:
      {images: [six], layers: [conv1], random_sets: 5, examples: 10, found: 2, base_points: 8, patterns: none, pictures: {mine: four}}

# Class activation maps with a trained head, and a few attributions.
maps:
  seed: 4
  datasets:
    pets: {source: drawn_pets, image_size: 64, images_per_class: {train: 3, validation: 2, test: 2}}
    others: {source: drawn_pets, image_size: 64, background: cheat, images_per_class: {train: 3, validation: 2, test: 2}}
  models: {net: {source: file, path: user/plain.keras, classes: [cat, dog]}}
  image_sets:
    two: {dataset: pets, split: test, per_class: 1}
    loose: {files: [user/loose/0.png]}
  cams:
    net: {images: [two], methods: [gradcam, cam, score_cam], score_channels: 3, gap_head: {dataset: pets}, shard: 2}
  attributions:
    net: {images: [two], methods: [saliency, guided_gradcam], shard: 2}
  strategies:
    net: {images: [two], methods: [gradcam]}

# Every attribution method that has settings, as short as can be.
methods:
  seed: 5
  datasets:
    pets: {source: drawn_pets, image_size: 64, images_per_class: {train: 2, validation: 2, test: 2}}
    others: {source: drawn_pets, image_size: 64, background: cheat, images_per_class: {train: 2, validation: 2}}
  models: {net: {source: file, path: user/net.keras, image_size: 32, classes: [a, b]}}
  image_sets:
    two: {files: [user/loose/0.png, user/loose/1.png]}
  attributions:
    net:
      images: [two]
      smoothgrad: {samples: 2}
      input_x_gradient: {baseline: blurred, blur: 4}
      integrated_gradients: {steps: 2, baseline: blurred, blur: 4}
      occlusion: {patch: 16, stride: 16}
      rise: {masks: 6, grid: 4}
      lime: {samples: 12, kernel_size: 2, max_distance: 20}
      kernel_shap: {samples: 12, segments: 6}
      partition_shap: {evaluations: 20}
      gradient_shap: {samples: 4}
      deep_shap: {background: 2}
      pertinent_negative: {iterations: 4, searches: 2, gamma: 1, autoencoder: pets}
      pertinent_positive: {iterations: 4, searches: 2, gamma: 1, autoencoder: pets}

# A network of pixels, and its masks.
pixels:
  seed: 7
  datasets:
    pets: {source: drawn_pets, image_size: 64, images_per_class: {train: 3, validation: 2, test: 2}}
  models:
    net: {source: train, architecture: encoder_decoder, dataset: pets, image_size: 32, width: 0.1, epochs: 1, batch_size: 4}
    plain: {source: file, path: user/net.keras, image_size: 32, classes: [a, b]}
  image_sets:
    test: {dataset: pets, split: test}
    few: {dataset: pets, split: test, per_class: 1}
  segmentation:
    net: {images: [test], gradcam: {}}
  cams:
    plain: {images: [test]}
  judging:
    plain: {images: [test], metrics: [localisation], steps: 3}

# A model looked at while it learned.
watched:
  seed: 7
  datasets:
    pets: {source: drawn_pets, image_size: 64, images_per_class: {train: 4, validation: 2, test: 2}}
  models:
    net: {source: train, architecture: mini_xception, dataset: pets, image_size: 48, width: 0.25, epochs: 2, batch_size: 4}
  image_sets:
    two: {dataset: pets, split: test, per_class: 1}
    four: {dataset: pets, split: test}
  watching:
    net: {images: [two], filters: {filters: 1, size: 16, steps: 1}}

# Two models judged, one against the other.
judged:
  seed: 6
  datasets:
    pets: {source: drawn_pets, image_size: 64, images_per_class: {test: 3}}
  models:
    net: {source: file, path: user/net.keras, image_size: 32, classes: [a, b]}
    other: {source: file, path: user/other.keras, image_size: 32, classes: [a, b]}
  image_sets:
    all: {dataset: pets, split: test}
    few: {dataset: pets, split: test, per_class: 2}
  cams: {net: {images: [all, few]}, other: {images: [all]}}
  attributions: {net: {images: [all], methods: [smoothgrad], smoothgrad: {samples: 2}}}
  judging:
    other: {images: [all], metrics: [localisation], steps: 3}
    net:
      images: [all]
      against: other
      steps: 3
      randomisation: {images: 2, steps: 2, networks: 1}
      sensitivity: {images: 2, samples: 1}
      seeds: {images: 2, seeds: 2}

# Two networks trained twice each, and compared.
compared:
  seed: 7
  datasets:
    pets: {source: drawn_pets, image_size: 64, images_per_class: {train: 4, validation: 2, test: 3}}
  models:
    one: {source: train, architecture: plain, dataset: pets, image_size: 32, width: 0.25, epochs: 1, batch_size: 4}
    other: {source: train, architecture: residual, dataset: pets, image_size: 32, width: 0.25, epochs: 1, batch_size: 4}
  image_sets:
    few: {dataset: pets, split: test, per_class: 1}
    more: {dataset: pets, split: validation}
  cams:
    one: {images: [few, more], methods: [gradcam, layer_cam]}
    other: {images: [few, more], methods: [gradcam, layer_cam]}
  filters:
    one: {layers: [stem_conv], filters: 1, size: 16, steps: 1}
    other: {layers: [stem_conv], filters: 1, size: 16, steps: 1}
  comparisons:
    both: {models: [one, other], split: pets/test, seeds: 2, images: few}
"""

STUDIES: dict[str, dict[str, Any]] = {name: {"study": name, **study} for name, study in yaml.safe_load(_TEXT).items()}
STUDIES["methods"]["attributions"]["net"]["methods"] = [name for name, method in METHODS.items() if method.settings]


DROP = "DROP"  # as the new value of a key: the key is taken out


def changed(study: dict[str, Any], edits: dict[str, Any]) -> dict[str, Any]:
    """A study with the values at dotted paths replaced; a missing mapping on the way is made."""
    result = copy.deepcopy(study)
    for path, value in edits.items():
        *way, last = path.split(".")
        part = result
        for key in way:
            part = part.setdefault(key, {})
        if value == DROP:
            del part[last]
        else:
            part[last] = copy.deepcopy(value)
    return result
