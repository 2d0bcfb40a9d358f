"""What looking at a training costs: `python -m bench.watching`, two or three minutes of a processor, prints one table.

The convnet of the default study (112x112, half the textbook's filters, 2,200 pictures an epoch, batches of 32) learns in `model.fit`
with the callback at its default. Seconds are the processor's, of all threads, so that other work on the machine counts for nothing.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from convscope.models.architectures import build
from convscope.models.epochs import KeptWeights, epochs_to_keep
from convscope.watching.callback import Watch

_SIDE, _PICTURES, _EPOCHS = 112, 2200, 16


class _Timed(Watch):
    """The callback, which notes the seconds of each look and of the drawing at the end."""

    looks: list[float]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.looks = []
        super().on_train_begin(logs)

    def look(self, epoch: int, logs: dict[str, Any]) -> Any:
        started = time.process_time()
        found = super().look(epoch, logs)
        self.looks.append(time.process_time() - started)
        return found

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        started = time.process_time()
        super().on_train_end(logs)
        self.drawing = time.process_time() - started


def main() -> None:
    """Measure and print."""
    settings = {"architecture": "convnet", "image_size": _SIDE, "width": 0.5, "dropout": 0.25}
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(0)
    pictures = random.integers(0, 255, (_PICTURES, _SIDE, _SIDE, 3)).astype("float32")
    labels = random.integers(0, 2, _PICTURES)
    model = build(settings, 2)
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    with tempfile.TemporaryDirectory() as folder:
        watch = _Timed(pictures[:8], Path(folder) / "seen", labels=labels[:8], classes=["cat", "dog"], head="sigmoid")
        started = time.process_time()
        model.fit(pictures, labels, batch_size=32, epochs=_EPOCHS, verbose=0, callbacks=[watch])
        whole = time.process_time() - started
        epoch = (whole - sum(watch.looks) - watch.drawing) / _EPOCHS
        kept = KeptWeights(
            Path(folder), "", epochs_to_keep(_EPOCHS, sum(weight.nbytes for weight in model.get_weights()))
        )
        started = time.process_time()
        for number in range(1, _EPOCHS + 1):
            kept.keep(number, model.get_weights)
        keeping = time.process_time() - started
    later = watch.looks[1:]
    rows = [
        ("an epoch", epoch),
        ("the first look", watch.looks[0]),
        (f"a later one, mean of {len(later)}", float(np.mean(later))),
        ("the drawing at the end", watch.drawing),
        (f"all of it, by epoch, {_EPOCHS} of them", (sum(watch.looks) + watch.drawing) / _EPOCHS),
        ("keeping weights in train_model, by epoch", keeping / _EPOCHS),
    ]
    lines = ["| | seconds | share of an epoch |", "| --- | --- | --- |"]
    lines += [f"| {name} | {seconds:.2f} | {seconds / epoch:.1%} |" for name, seconds in rows]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
