"""The files of an imagined user that the studies read: pictures, masks, an archive, models of every origin.

`python -m tests.workflow.changes.world <folder>` makes them; the same bytes each time.
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32


def picture(seed: int, side: int = SIDE) -> Image.Image:
    """A bright square on coloured noise."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 90, (side, side, 3), np.uint8)
    top, left = random.integers(0, side // 2, 2)
    pixels[top : top + side // 2, left : left + side // 2] += random.integers(60, 160, 3, np.uint8)
    return Image.fromarray(pixels)


def mask(seed: int, side: int = SIDE) -> Image.Image:
    """Where that square is: 1, elsewhere 0; one row of it is another part."""
    random = np.random.default_rng(seed)
    random.integers(0, 90, (side, side, 3), np.uint8)
    top, left = random.integers(0, side // 2, 2)
    values = np.zeros((side, side), np.uint8)
    values[top : top + side // 2, left : left + side // 2] = 1
    values[top, left : left + side // 2] = 2
    return Image.fromarray(values)


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def write_archive(path: Path, seed: int) -> None:
    """A zip of two folders of two classes of two pictures each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(8):
            buffer = io.BytesIO()
            picture(seed + number).save(buffer, "png")
            name = f"pack/{'all' if number < 4 else 'more'}/{'ab'[number % 2]}/{number}.png"
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), buffer.getvalue())


def write_pictures(user: Path) -> None:
    """Everything but the models."""
    for number in range(8):
        name = f"{'day' if number < 4 else 'night'}/{'ab'[number % 2]}/{number}.png"
        _save(picture(number), user / "photos" / name)
        _save(mask(number), user / "photos" / "masks" / name)
    (user / "photos" / "parts.json").write_text(json.dumps(["none", "body", "edge"]))
    for number in range(4):
        name = f"{'ab'[number % 2]}/{number}.png"
        _save(picture(20 + number), user / "herd" / name)
        _save(picture(30 + number), user / "flock" / name)
        _save(mask(20 + number), user / "herd_masks" / name)
        _save(picture(20 + number), user / "pairs" / "pictures" / name.replace("/", "_"))
        _save(mask(20 + number), user / "pairs" / "masks" / name.replace("/", "_"))
    for number in range(3):
        _save(picture(40 + number), user / "loose" / f"{number}.png")
        _save(picture(50 + number), user / "album" / f"{number}.png")
    for number in range(2):
        _save(picture(60 + number), user / "served" / f"photo{number}.png")
    rows = [
        f"{n}.png,{'xy'[n % 2]},{n % 2},{n // 2},{'yx'[n % 2]},{n // 2},../herd_masks/{'ab'[n % 2]}/{n}.png"
        for n in range(4)
    ]
    listed = "\n".join(
        ["path,class,x,y,other,half,outline", *(f"herd/{'ab'[n % 2]}/{row}" for n, row in enumerate(rows)), ""]
    )
    (user / "list.csv").write_text(listed.replace("../herd_masks", "herd_masks"))
    (user / "other.csv").write_text(listed.replace("herd/", "flock/"))
    (user / "deeper").mkdir()
    for name in ("herd", "flock"):
        (user / "deeper" / name).symlink_to(Path("..") / name)
    write_archive(user / "served" / "pack.zip", 70)
    write_archive(user / "served" / "other.zip", 80)


def write_models(user: Path) -> None:
    """Networks with random weights: two alike, and one without average pooling."""
    write_network(user / "net.keras", 1)
    write_network(user / "other.keras", 2)
    write_network(user / "plain.keras", 3, pooled=False)
    (user / "layers.py").write_text("import keras\n\n\nclass Mine(keras.layers.Layer):\n    pass\n", encoding="utf-8")


def write_network(path: Path, seed: int, pooled: bool = True) -> None:
    """Two convolutions and a head of two classes."""
    import keras
    from keras import layers

    from convscope.models.load import save_model

    keras.utils.set_random_seed(seed)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    alive = keras.initializers.Constant(0.5)  # no filter that answers to nothing: all its patterns would be the same
    x = layers.Conv2D(4, 3, activation="relu", bias_initializer=alive, name="conv1")(x)
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = layers.Conv2D(6, 3, activation="relu", bias_initializer=alive, name="conv2")(x)
    x = layers.GlobalAveragePooling2D()(x) if pooled else layers.Flatten()(layers.MaxPooling2D(4)(x))
    save_model(keras.Model(inputs, layers.Dense(2, activation="softmax")(x)), path)


def write_imports(user: Path) -> None:
    """What only the study of imported models reads: weights of a network of keras.applications, and a preset's folder."""
    import keras
    import keras_hub

    keras.utils.set_random_seed(4)
    for name in ("app", "app2"):
        keras.applications.MobileNetV3Small(weights=None, classes=2).save_weights(user / f"{name}.weights.h5")
    for name in ("slim", "slimmer"):
        backbone = keras_hub.models.XceptionBackbone([[2, 2], [3, 3], [4]], [False, True, False])
        backbone.save_to_preset(str(user / "presets" / name))
    size = {"image_size": (64, 64)}
    task = keras_hub.models.XceptionImageClassifier(
        backbone,
        3,
        preprocessor=keras_hub.models.XceptionImageClassifierPreprocessor(
            keras_hub.layers.XceptionImageConverter(**size)
        ),
    )
    task.save_to_preset(str(user / "presets" / "whole"))


if __name__ == "__main__":
    place = Path(sys.argv[1])
    write_pictures(place)
    write_models(place)
    if "--imports" in sys.argv:
        write_imports(place)
