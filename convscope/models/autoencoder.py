"""A small convolutional auto-encoder: how well it redraws a picture tells whether the picture looks like the dataset.

The optional term of contrastive explanations (Dhurandhar et al. 2018, 1802.07623) keeps changed pictures where it does.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers

import convscope.models.keras_settings  # noqa: F401 (before anything is built)
from convscope.backends.running import to_numpy
from convscope.errors import UserError
from convscope.models.training import Pictures

EPOCHS = 10
BATCH = 32
# A search evaluates it tens of thousands of times. Twice as many redraw drawn pets hardly better (squared error .0041 for .0044
# after five epochs) for three times the work.
FILTERS = 16
LEARNING_RATE = 0.001


def build_autoencoder(size: tuple[int, int], filters: int = FILTERS, depth: int = 3) -> keras.Model:
    """Two 3x3 convolutions with pooling down to a quarter of the side, a narrow code, and back.

    Args:
        size: (height, width) in pixels, any.
        filters: of the widest layers.
        depth: channels of the pictures.

    Returns:
        (N, height, width, C) float, 0..1 -> the same.
    """
    image = keras.Input((*size, depth), name="picture")
    x = image
    for number in (1, 2):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"down{number}")(x)
        x = layers.MaxPooling2D(2, padding="same", name=f"pool{number}")(x)
    x = layers.Conv2D(max(filters // 4, 1), 3, padding="same", name="code")(x)
    for number in (2, 1):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"up{number}")(x)
        x = layers.UpSampling2D(2, name=f"enlarge{number}")(x)
    # Pooling rounds a side up: what it came to stand over is cut off again.
    spare = tuple((0, have - want) for have, want in zip(x.shape[1:3], size, strict=True))
    x = layers.Cropping2D(spare, name="cut")(x)
    outputs = layers.Conv2D(depth, 3, padding="same", activation="sigmoid", name="redrawn")(x)
    return keras.Model(image, outputs, name="autoencoder")


def train_autoencoder(
    model: keras.Model,
    training: Pictures,
    validation: Pictures,
    seed: int,
    epochs: int = EPOCHS,
    after_epoch: Callable[[dict[str, float]], None] = lambda row: None,
) -> list[dict[str, float]]:
    """Train with the mean squared error. Seed Keras before the model is built (`training.seed_everything`).

    Args:
        model: see `build_autoencoder`; left with the weights of the last epoch.
        training: pictures to learn.
        validation: pictures to measure with; may be empty.
        seed: of the order, in each epoch anew.
        epochs: passes over the pictures.
        after_epoch: called with each epoch's row.

    Returns:
        A row an epoch: epoch (from 1), loss, val_loss (NaN without validation pictures).

    Raises:
        UserError: there are no pictures to learn from.
    """
    if not len(training):
        raise UserError("the auto-encoder has no pictures to learn from; name a dataset with a split 'train'")
    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss="mean_squared_error")
    rows = []
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(training))
        losses, sizes = [], []
        for images, _ in training.batches(order, BATCH):
            pictures = images.astype(np.float32) / 255
            losses.append(float(np.ravel(model.train_on_batch(pictures, pictures))[0]))
            sizes.append(len(images))
        # Keras gives the mean since the epoch began, the whole of it after the last batch.
        row = {"epoch": epoch + 1, "loss": losses[-1], "val_loss": redrawing_error(model, validation)}
        model.reset_metrics()
        rows.append(row)
        after_epoch(row)
    return rows


def redrawing_error(model: keras.Model, pictures: Pictures) -> float:
    """Mean squared error of redrawn pictures, 0..1; NaN where there are none."""
    total, count = 0.0, 0
    if not len(pictures):
        return float("nan")
    for images, _ in pictures.batches(np.arange(len(pictures)), BATCH):
        wanted = images.astype(np.float32) / 255
        total += float(((to_numpy(model(wanted, training=False)) - wanted) ** 2).mean(axis=(1, 2, 3)).sum())
        count += len(images)
    return total / count
