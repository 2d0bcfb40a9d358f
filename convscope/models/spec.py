"""What has to be known about a model beside its network: size, preprocessing, classes, head. No TensorFlow here."""

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.data.groups import class_position
from convscope.errors import UserError, nearest
from convscope.models.names import NO_CLASS_OF_THE_PICTURE
from convscope.pictures.channels import Channels
from convscope.storage.files import read_json, write_json
from convscope.storage.identity import identity

RESIZES = ("crop", "stretch", "pad")
HEADS = ("binary", "multiclass", "multilabel", "regression", "segmentation", "none")
# From which probability on a label of its own counts as there.
THRESHOLD = 0.5
# Facts for people, which no result depends on.
_FOR_PEOPLE = ("name", "source", "notes", "warnings")
CHANNELS = ("rgb", "bgr", "gray", "rgba", "bands")
# Facts that came after the first results: where they say nothing, those keep their identity.
_LATER = ("bands", "shown_bands", "code", "notes", "warnings")

FloatArray = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """The facts that travel with a network, stored beside it as JSON.

    *Model space* is what the network takes: `x * scale + offset`, a value a channel, in the order `channels` says. The x are pixels:
    0 the darkest and 255 the brightest that the file's type can tell, of 8 bits as of 16, or the ends of its dataset's window. So a
    network of 0..1 has the scale 1/255, one of -1..1 the scale 1/127.5 and the offset -1, one of 0..65535 the scale 257.

    Attributes:
        name: name of the model in the study.
        input_size: (height, width) in pixels.
        resize: how a picture is brought to that size: "crop", "stretch" or "pad".
        scale: factor a channel, in the network's channel order, from 0..255 to model space; one value stands for all.
        offset: added a channel, after the factor; one value stands for all.
        channels: "rgb", "bgr" for networks that came from Caffe, "gray", "rgba", or "bands".
        bands: for "bands", which of a file's, counted from 0, in the network's order.
        shown_bands: three of them that people see as red, green and blue, or one as gray; empty: the first.
        classes: class names, in order of the label; of a regression, names of its outputs; empty for a network without a head.
        head: "binary" (one logit for class 1), "multiclass" (a logit a class, one of which is right), "multilabel" (a logit a
            class, each right or wrong on its own), "regression" (numbers), "segmentation" (a logit a class for every pixel), "none"
            (a backbone).
        source: where the model comes from, for people.
        digest: SHA-256 of the network: its architecture and its weights.
        requires: Python modules to import before the network is loaded.
        code: text of the user's own Python file with layers of the network, imported before that; from the config, never from the
            model's file.
        notes: what was taken of what the model left open, and why, for people.
        warnings: what looks wrong, for people.
    """

    name: str
    input_size: tuple[int, int]
    resize: str = "crop"
    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    channels: str = "rgb"
    classes: tuple[str, ...] = ()
    head: str = "none"
    source: str = ""
    digest: str = ""
    requires: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    bands: tuple[int, ...] = ()
    shown_bands: tuple[int, ...] = ()
    code: str = ""

    def __post_init__(self) -> None:
        for field, value, valid in (
            ("resize", self.resize, RESIZES),
            ("head", self.head, HEADS),
            ("channels", self.channels, CHANNELS),
        ):
            if value not in valid:
                raise UserError(f"model {self.name}: {field} is '{value}'; {nearest(value, valid)}")
        self._check_channels()
        for field in ("scale", "offset"):
            values = getattr(self, field)
            if len(values) == 1:
                object.__setattr__(self, field, values * self.depth)
            elif len(values) != self.depth:
                raise UserError(
                    f"model {self.name}: {field} has {len(values)} values, but the network takes {self.depth} channels; "
                    "give one for each, or one for all"
                )
        if len(self.input_size) != 2:
            raise UserError(f"model {self.name}: input_size wants 2 numbers")
        if self.head == "binary" and len(self.classes) != 2:
            raise UserError(f"model {self.name}: one output unit means two classes, but {len(self.classes)} are named")
        if self.head in ("multiclass", "segmentation") and len(self.classes) < 2:
            raise UserError(
                f"model {self.name}: {len(self.classes)} class names for a classifier; name one for each output"
            )
        if self.head in ("multilabel", "regression") and not self.classes:
            raise UserError(f"model {self.name}: no names for its outputs; name one for each output")
        self._check_classes()

    @property
    def units(self) -> int:
        """How many numbers the network answers for an image, where it has a head."""
        return 1 if self.head == "binary" else len(self.classes)

    def require_classes(self) -> None:
        """Raise what to say where classes are asked of a network that has none.

        Raises:
            UserError: its answer to a picture is no row of scores: a backbone's maps, a class a pixel, a sequence.
        """
        if self.head == "segmentation":
            raise UserError(f"model '{self.name}' {NO_CLASS_OF_THE_PICTURE}")
        if self.head == "none":
            raise UserError(
                f"model '{self.name}' has no classifier, so there is no class to explain: what it answers to a picture is no row of "
                "scores, one a class; name a model with a classification head, or the output that is one (output: NAME)"
            )

    @property
    def is_classifier(self) -> bool:
        """Whether its outputs are classes, with probabilities; a regression's are numbers, a backbone's are maps."""
        return self.head in ("binary", "multiclass", "multilabel")

    def _check_classes(self) -> None:
        """Tables and metrics know a class by its name, and tell many labels of a picture with | between."""
        twice = next((name for name, times in Counter(self.classes).items() if times > 1), None)
        if twice is not None:
            raise UserError(
                f"model {self.name}: two of its outputs are called '{twice}'; name all of them, each otherwise, by "
                f"models.{self.name}.classes"
            )
        for name in self.classes if self.head == "multilabel" else ():
            if "|" in name or name != name.strip() or not name:
                raise UserError(
                    f"model {self.name}: the label '{name}' is empty, begins or ends with a space or has a | in it, which stands "
                    f"between labels; name them otherwise by models.{self.name}.classes"
                )

    def _check_channels(self) -> None:
        if (self.channels == "bands") != bool(self.bands):
            raise UserError(
                f"model {self.name}: channels is '{self.channels}', bands is {list(self.bands)}; one needs the other"
            )
        if self.shown_bands and not self.bands:
            raise UserError(f"model {self.name}: shown_bands is for networks that take bands")
        if len(set(self.bands)) < len(self.bands) or min(self.bands, default=0) < 0:
            raise UserError(f"model {self.name}: bands is {list(self.bands)}; name different ones, the first is 0")
        if len(self.shown_bands) not in (0, 1, 3) or not set(self.shown_bands) <= set(self.bands):
            raise UserError(
                f"model {self.name}: shown_bands is {list(self.shown_bands)}; name one or three of the bands {list(self.bands)}"
            )

    @property
    def reads(self) -> Channels:
        """What is read of each picture for this network, and how that is shown to people."""
        kind = "rgb" if self.channels == "bgr" else self.channels
        return Channels(kind, self.bands, self.shown_bands)

    @property
    def depth(self) -> int:
        """Number of channels that the network takes."""
        return self.reads.depth

    @property
    def identity(self) -> str:
        """Digest of all that a result of this model depends on: the network, how pictures are brought to it, its classes, its head.

        Not of what it is called, where it comes from, and what is said of it.
        """
        facts = dataclasses.asdict(self)
        ignored = (*_FOR_PEOPLE, *(key for key in _LATER if not facts[key]))
        return identity(**{key: value for key, value in facts.items() if key not in ignored})

    def preprocess(self, images: npt.NDArray[Any]) -> FloatArray:
        """Bring pixels (N, H, W, depth), values 0..255, RGB or as `reads` says, to model space: float32, same shape."""
        if images.shape[-1] != self.depth:
            raise ValueError(f"model {self.name}: pixels of {self.depth} channels expected, got shape {images.shape}")
        # Of another order in memory, the rows below would be a copy.
        x = np.array(images, dtype=np.float32, order="C")
        if self.channels == "bgr":
            x = np.ascontiguousarray(x[..., ::-1])
        # Row by row: an operation over three numbers at a time takes ten times as long.
        rows = x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])
        rows *= np.tile(np.array(self.scale, np.float32), x.shape[-2])
        rows += np.tile(np.array(self.offset, np.float32), x.shape[-2])
        return x

    def to_pixels(self, model_space: npt.NDArray[Any]) -> FloatArray:
        """The inverse of `preprocess`: RGB or what `reads` says in 0..255 units (not clipped, not rounded), float32."""
        x: FloatArray = np.asarray(model_space, dtype=np.float32) - np.array(self.offset, np.float32)
        x = np.asarray(x / np.array(self.scale, np.float32), dtype=np.float32)
        if self.channels == "bgr":
            x = x[..., ::-1]
        return np.ascontiguousarray(x, dtype=np.float32)

    def colour(self, colour: Sequence[float]) -> FloatArray:
        """A colour, RGB 0..255, in model space: (depth,) float32 (see `Channels.of_colour`)."""
        return self.preprocess(self.reads.of_colour(colour).reshape(1, 1, 1, -1))[0, 0, 0]

    @property
    def places(self) -> tuple[int, ...]:
        """Which channels of model space people see: three as red, green and blue, or one as gray."""
        return (2, 1, 0) if self.channels == "bgr" else self.reads.places

    def seen(self, model_space: npt.NDArray[Any]) -> FloatArray:
        """Model input (N, H, W, depth) as people see it: (N, H, W, 3) float32, RGB in 0..255 (see `Channels.seen`)."""
        return self.reads.seen(self.to_pixels(model_space))

    def for_people(self, model_space: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Model input (N, H, W, depth) as people see it: (N, H, W, 3) uint8, RGB (see `Channels.for_people`)."""
        return self.reads.for_people(self.to_pixels(model_space))

    def probabilities(self, logits: npt.NDArray[Any]) -> FloatArray:
        """Class probabilities (N, classes) of logits (N, units).

        `[1 - p, p]` for a one-unit head, a softmax over exclusive classes, a sigmoid of each of many labels. A regression has no
        probabilities: what is measured of it, wherever a classifier's probability is, is the output itself.
        """
        z = self._checked(logits)
        if self.head == "regression":
            return np.asarray(z, dtype=np.float32)
        if self.head in ("binary", "multilabel"):
            # Both from exp(-|z|): 1 - p would be exactly 0 from logit 17 on.
            e = np.exp(-np.abs(z))
            large, small = 1 / (1 + e), e / (1 + e)
            p = np.where(z >= 0, large, small)
            if self.head == "binary":
                p = np.concatenate([np.where(z >= 0, small, large), p], axis=1)
            return p.astype(np.float32)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True), dtype=np.float32)

    def class_scores(self, logits: npt.NDArray[Any]) -> FloatArray:
        """The score of every class, (N, classes): its logit, `[-z, z]` for a one-unit head; of a regression, every output."""
        z = self._checked(logits)
        if self.head == "binary":
            z = np.concatenate([-z, z], axis=1)
        return np.asarray(z, dtype=np.float32)

    def predicted(self, scores: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The class that each image is taken for, (N,), of the scores of every class (N, classes): that of the highest.

        Of many labels, the likeliest one. Of a regression, whose outputs cannot be compared, always the first.
        """
        scores = np.asarray(scores)
        if self.head == "regression":
            return np.zeros(len(scores), np.int64)
        return np.asarray(scores.argmax(axis=1), np.int64)

    def _checked(self, logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        z = np.asarray(logits, dtype=np.float64)
        if self.head in ("segmentation", "none"):
            raise UserError(f"model {self.name} has no classification head, so no class scores; use one that has")
        if z.ndim != 2 or z.shape[1] != self.units:
            raise ValueError(f"model {self.name}: logits of shape (N, {self.units}) expected, got {z.shape}")
        return z

    def class_index(self, name_or_index: str | int) -> int:
        """Index of a class given by name or by number (see `groups.class_position`).

        Raises:
            UserError: there is no such class; the nearest name is suggested.
        """
        return class_position(name_or_index, self.classes, f"model {self.name}")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the spec as JSON, its identity too: a reader without this library can tell whose results are whose."""
        facts = dataclasses.asdict(self)
        write_json(
            path, {key: facts[key] for key in facts if key not in _LATER or facts[key]} | {"identity": self.identity}
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "ModelSpec":
        """Read a spec written by `save`.

        Raises:
            UserError: the file is none.
        """
        try:
            values: Any = read_json(path)
            return cls._of(values)
        except (ValueError, TypeError, AttributeError):
            raise UserError(
                f"'{os.fspath(path)}' holds no facts of a model; it is damaged: make it again, or get it again"
            ) from None

    @classmethod
    def _of(cls, values: dict[str, Any]) -> "ModelSpec":
        names = {field.name for field in dataclasses.fields(cls)}
        known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in names}
        return cls(**known)


def predicted_labels(classes: Sequence[str], probabilities: Sequence[float] | FloatArray) -> list[str]:
    """Of many labels those that are predicted: names of a probability of `THRESHOLD` and more; none, one or more.

    Args:
        classes: all labels.
        probabilities: of one picture, (classes,).
    """
    return [name for name, share in zip(classes, probabilities, strict=True) if share >= THRESHOLD]
