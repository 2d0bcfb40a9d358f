"""Draw recipes of small valid networks: a number stands for one network, on every machine and for good."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fuzz.recipes import Builder, Recipe, Ref, Step

_SIZES = ((9, 11), (12, 10), (13, 13), (8, 8), (16, 12))
_ACTIVATIONS = (
    *("relu", "relu", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "softmax"),
    *("hard_sigmoid", "hard_silu", "softplus", "softsign", "mish", "celu", "log_sigmoid", "hard_tanh", "tanh_shrink"),
    *("soft_shrink", "squareplus", "log_softmax", "linear", "sparse_plus", "sparse_sigmoid", "exponential"),
)
_LAYER_ACTIVATIONS = (
    *(("ReLU", {}), ("ReLU", {"negative_slope": 0.2}), ("ReLU", {"max_value": 0.7}), ("ReLU", {"threshold": 0.3})),
    *(
        ("LeakyReLU", {}),
        ("LeakyReLU", {"negative_slope": 0.1}),
        ("ELU", {}),
        ("Softmax", {}),
        ("Softmax", {"axis": 2}),
    ),
    ("PReLU", {"shared_axes": [1, 2]}),
)
_DEPTH = 2


class _Drawing:
    """One recipe while it is drawn."""

    def __init__(self, rng: np.random.Generator, inputs: tuple[tuple[int | None, ...], ...], depth: int) -> None:
        self.rng, self.depth = rng, depth
        self.builder = Builder(inputs)

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def one(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def some(self, **options: tuple[float, Callable[[], Any]]) -> dict[str, Any]:
        """Each of the options with its own probability."""
        return {key: make() for key, (share, make) in options.items() if self.chance(share)}

    def add(self, kind: str, *inputs: Ref, **options: Any) -> Ref:
        self.builder.add(Step(kind, inputs, options))
        return (len(self.builder.steps) - 1, 0)

    def shape(self, ref: Ref) -> tuple[int | None, ...]:
        return tuple(self.builder.tensors[ref].shape[1:])

    def maps(self) -> list[Ref]:
        """Feature maps there are, the oldest first."""
        return [ref for ref in sorted(self.builder.tensors) if len(self.shape(ref)) == 3]

    def recent(self) -> Ref:
        found = self.maps()
        return found[-1] if self.chance(0.7) else found[int(self.rng.integers(max(len(found) - 5, 0), len(found)))]

    def activation(self) -> Any:
        return self.one(*_LAYER_ACTIVATIONS) if self.chance(0.15) else self.one(*_ACTIVATIONS)

    def window(self, largest: int = 3) -> Any:
        if self.chance(0.6):
            return int(self.rng.integers(1, largest + 1))
        return tuple(int(n) for n in self.rng.integers(1, largest + 1, 2))

    def convolution_options(self) -> dict[str, Any]:
        options = self.some(
            padding=(0.5, lambda: "same"),
            use_bias=(0.3, lambda: False),
            activation=(0.45, self.activation),
        )
        if self.chance(0.3):
            options["strides"] = self.one(2, 2, (2, 2), (1, 2), (2, 1), 3)
        elif self.chance(0.25):
            options["dilation_rate"] = self.one(2, (1, 2), (2, 1), (2, 2), 3)
        return options

    # Each of these adds one step or some.

    def convolution(self) -> None:
        source = self.recent()
        groups = self.one(*[1] * 8, 2, self.shape(source)[-1])
        filters = int(self.rng.integers(1, 5)) * (groups or 1)
        grouped = {"groups": groups} if groups and groups > 1 else {}
        self.add("Conv2D", source, filters=filters, kernel_size=self.window(), **grouped, **self.convolution_options())

    def depthwise(self) -> None:
        multiplier = self.some(depth_multiplier=(0.3, lambda: 2))
        self.add(
            "DepthwiseConv2D", self.recent(), kernel_size=self.window(), **multiplier, **self.convolution_options()
        )

    def separable(self) -> None:
        multiplier = self.some(depth_multiplier=(0.3, lambda: 2))
        filters = int(self.rng.integers(1, 7))
        options = multiplier | self.convolution_options()
        self.add("SeparableConv2D", self.recent(), filters=filters, kernel_size=self.window(), **options)

    def transposed(self) -> None:
        options = {key: value for key, value in self.convolution_options().items() if value != 3}
        self.add(
            "Conv2DTranspose", self.recent(), filters=int(self.rng.integers(1, 5)), kernel_size=self.window(), **options
        )

    def convolution_norm_relu(self) -> None:
        """What most networks are made of."""
        getattr(self, self.one("convolution", "convolution", "depthwise", "separable"))()
        self.norm(last=True)
        if self.chance(0.7):
            self.nonlinearity(last=True)

    def _last(self) -> Ref:
        return (len(self.builder.steps) - 1, 0) if self.builder.steps else (-1, 0)

    def norm(self, last: bool = False) -> None:
        source = self._last() if last else self.recent()
        kind = self.one(
            *["BatchNormalization"] * 6, "LayerNormalization", "GroupNormalization", "UnitNormalization", "rms"
        )
        if kind == "BatchNormalization":
            options = self.some(scale=(0.25, lambda: False), center=(0.2, lambda: False), epsilon=(0.3, lambda: 0.1))
            options |= self.some(axis=(0.1, lambda: self.one(3, 1, 2)))
        elif kind == "LayerNormalization":
            options = self.some(axis=(0.3, lambda: [1, 2, 3]), scale=(0.2, lambda: False), center=(0.2, lambda: False))
        elif kind == "GroupNormalization":
            options = {"groups": self.one(1, 2, -1)}
        else:
            kind, options = ("RMSNormalization", {}) if kind == "rms" else (kind, {})
        self.add(kind, source, **options)

    def nonlinearity(self, last: bool = False) -> None:
        source = self._last() if last else self.recent()
        kind = self.one("ReLU", "ReLU", "Activation", "Activation", "relu", "relu6", "maximum", "other")
        options: dict[str, Any] = {}
        if kind == "ReLU":
            options = self.some(
                negative_slope=(0.2, lambda: 0.3), max_value=(0.2, lambda: 1.0), threshold=(0.1, lambda: 0.2)
            )
        elif kind == "Activation":
            options = {"activation": self.one(*_ACTIVATIONS)}
        elif kind == "maximum":
            kind, options = self.one("maximum", "maximum of constant"), {"c": self.one(0, 0.0, 0.5)}
        elif kind == "other":
            kind = self.one(
                "LeakyReLU", "PReLU", "ELU", "Softmax", "silu", "gelu", "sigmoid", "hard swish", "softmax", "leaky_relu"
            )
            options = (
                {"shared_axes": [1, 2]}
                if kind == "PReLU"
                else {"slope": self.one(0.1, 0.3)}
                if kind == "leaky_relu"
                else {}
            )
            options = {"axis": self.one(-1, -1, 1, 2, 3)} if kind.lower() == "softmax" else options
        self.add(kind, source, **options)

    def pooling(self) -> None:
        options = {"pool_size": self.window()} | self.some(strides=(0.4, lambda: self.one(1, 2, (1, 2))))
        options |= self.some(padding=(0.4, lambda: "same"))
        self.add(self.one("MaxPooling2D", "AveragePooling2D"), self.recent(), **options)

    def resizing(self) -> None:
        kind = self.one(
            "UpSampling2D", "ZeroPadding2D", "ZeroPadding2D", "Cropping2D", "Resizing", "CenterCrop", "adaptive"
        )
        options: dict[str, Any] = {
            "UpSampling2D": {"size": self.one(2, (1, 2)), "interpolation": self.one("nearest", "bilinear")},
            "ZeroPadding2D": {"padding": self.one(1, (0, 2), ((0, 1), (0, 1)), ((1, 0), (2, 1)))},
            "Cropping2D": {"cropping": self.one(1, ((0, 1), (1, 0)))},
            "Resizing": {"height": 7, "width": 6},
            "CenterCrop": {"height": 5, "width": 6},
            "adaptive": {"output_size": self.one(2, (3, 2))},
        }[kind]
        if kind == "adaptive":
            kind = self.one("AdaptiveAveragePooling2D", "AdaptiveMaxPooling2D")
        self.add(kind, self.recent(), **options)

    def constant(self) -> None:
        kind = self.one(
            "x + c", "x + c", "c - x", "x - c", "x * c", "x / c", "x + array", "array * x", "clip", "minimum"
        )
        options: dict[str, Any] = {"c": self.one(3.0, -0.5, 2, 0.25)}
        if "array" in kind:
            options = {}
        elif kind == "clip":
            options = {"low": self.one(0.0, -0.5), "high": 1.0}
        self.add(kind, self.recent(), **options)

    def operation(self) -> None:
        kind = self.one(
            *("x ** 2", "-x", "abs", "pad", "roll", "flip", "first channels", "every second place", "without a row"),
            *("tanh", "normalized", "shuffle", "mean", "max"),
        )
        options: dict[str, Any] = {}
        if kind == "pad":
            options = {"before": self.one(0, 1), "after": self.one(0, 1, 2)}
        elif kind == "first channels":
            options = {"count": 2}
        elif kind in ("mean", "max"):
            options = {"axis": self.one(-1, 1, (1, 2))}
        self.add(kind, self.recent(), **options)

    def plain_layer(self) -> None:
        kind = self.one(
            "Dense", "Rescaling", "Normalization", "Permute", "Identity", "Dropout", "SpatialDropout2D", "GaussianNoise"
        )
        kind = self.one(kind, kind, "Reshape", "RandomFlip", "ActivityRegularization", "EinsumDense")
        source = self.recent()
        *places, channels = self.shape(source)
        options: dict[str, Any] = {
            "Dense": {"units": 4} | self.some(activation=(0.5, self.activation), use_bias=(0.2, lambda: False)),
            "Rescaling": {"scale": 0.5, "offset": self.one(0.0, -1.0)},
            "Normalization": {"mean": 0.3, "variance": 2.0},
            "Permute": {"dims": (2, 1, 3)},
            "Dropout": {"rate": 0.5},
            "SpatialDropout2D": {"rate": 0.5},
            "GaussianNoise": {"stddev": 0.5},
            "Reshape": {"target_shape": self.one((places[0], -1, channels), (places[1], places[0], channels))},
            "RandomFlip": {"mode": "horizontal"},
            "ActivityRegularization": {"l2": 0.1},
            "EinsumDense": {"equation": "bhwc,cd->bhwd", "output_shape": (None, None, 3), "bias_axes": "d"},
        }.get(kind, {})
        self.add(kind, source, **options)

    def split(self) -> None:
        kind = self.one("split", "split", "moments")
        options = {"parts": self.one(2, 2, 3, [1])} if kind == "split" else {}
        self.add(kind, self.recent(), **options)
        if self.chance(0.7):
            number = len(self.builder.steps) - 1
            first, second = (number, 1), (number, 0)
            self.add(self.one("Concatenate", "Add", "x - y", "x * y"), first, second)

    def merge(self) -> None:
        found = self.maps()
        first = found[-1]
        second = found[int(self.rng.integers(max(len(found) - 8, 0), len(found)))]
        kind = self.one(
            *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "x + y", "x - y", "x * y"),
            *("maximum of both", "where", "concatenate", "stack and sum", "matmul"),
        )
        options = self.some(axis=(0.3, lambda: self.one(3, 1, 2))) if kind == "Concatenate" else {}
        self.add(kind, *self.one((first, second), (second, first)), **options)

    def residual(self) -> None:
        source = self.recent()
        channels = self.shape(source)[-1]
        inside = self.add("Conv2D", source, filters=channels, kernel_size=3, padding="same")
        if self.chance(0.6):
            inside = self.add("BatchNormalization", inside)
        past = self.add("Conv2D", source, filters=channels, kernel_size=1) if self.chance(0.4) else source
        self.add(self.one("Add", "x + y", "Average", "Concatenate"), inside, past)

    def squeeze(self) -> None:
        source = self.recent()
        kind = self.one("GlobalAveragePooling2D", "GlobalMaxPooling2D")
        gate = self.add(kind, source, keepdims=True)
        channels = self.shape(source)[-1]
        options = {"activation": self.one("sigmoid", "hard_sigmoid", "relu", "softmax")}
        if self.chance(0.5):
            gate = self.add("Dense", gate, units=channels, **options)
        else:
            gate = self.add("Conv2D", gate, filters=channels, kernel_size=1, **options)
        self.add(self.one("Multiply", "x * y", "Add", "x + y"), *self.one((source, gate), (gate, source)))

    def attention(self) -> None:
        source = self.recent()
        height, width, channels = self.shape(source)
        flat = self.add("Reshape", source, target_shape=(-1, channels))
        if self.chance(0.5):
            mixed = self.add("MultiHeadAttention", flat, flat, num_heads=2, key_dim=2)
        else:
            mixed = self.add("Attention", flat, flat)
        self.add("Reshape", mixed, target_shape=(height, width, channels))

    def again(self) -> None:
        """A layer once more, or one of the nested networks."""
        number = self.one(*self.builder.layers)
        layer = self.builder.layers[number]
        count = len(getattr(layer, "inputs", None) or [0]) if "body" in self.builder.steps[number].options else 1
        self.add("again", *(self.recent() for _ in range(count)), of=number)

    def network(self) -> None:
        if self.depth >= _DEPTH:
            raise ValueError("deep enough")
        sources = [self.recent() for _ in range(2 if self.chance(0.25) else 1)]
        inner = _Drawing(self.rng, tuple(self.shape(ref) for ref in sources), self.depth + 1)
        sequential = len(sources) == 1 and self.chance(0.35)
        if sequential:
            for _ in range(int(self.rng.integers(1, 4))):
                inner.one_more(("convolution", "depthwise", "plain_layer", "pooling", "nonlinearity", "norm"))
            steps = inner.builder.steps
            chained = all(step.inputs == ((number - 1, 0),) for number, step in enumerate(steps))
            sequential = chained and len(inner.builder.layers) == len(steps) > 0
        else:
            if len(sources) == 2:
                inner.add(self.one("Add", "Concatenate", "x * y"), (-1, 0), (-2, 0))
            inner.several(int(self.rng.integers(1, 5)))
        found = inner.maps()
        outputs = (found[-1], found[-2]) if len(found) > 2 and not sequential and self.chance(0.2) else (found[-1],)
        form = "sequential" if sequential else "functional"
        options = {"form": form} | self.some(inference=(0.3, lambda: True))
        self.add("network", *sources, body=inner.builder.recipe(outputs), **options)

    def one_more(self, kinds: tuple[str, ...]) -> None:
        """One step more, or some; what Keras refuses is not drawn."""
        before = len(self.builder.steps)
        try:
            getattr(self, self.one(*kinds))()
        except Exception:
            if len(self.builder.steps) == before:
                return
        if any(0 in self.shape(ref) for ref in self.builder.tensors):
            raise _EmptyMap

    def several(self, count: int) -> None:
        for _ in range(count):
            self.one_more(_KINDS)

    def head(self) -> Ref:
        """Pooling, dense layers, and what a classifier ends with."""
        found = self.maps()
        last = found[-1]
        pool = self.one(
            "GlobalAveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten", "two", "maps"
        )
        if pool == "maps":
            return last
        if pool == "two":
            one = self.add("GlobalAveragePooling2D", last)
            other = self.add("GlobalMaxPooling2D", found[-2] if len(found) > 1 else last)
            x = self.add("Concatenate", one, other)
        else:
            x = self.add(pool, last)
        if self.chance(0.3):
            x = self.add("Dropout", x, rate=0.5)
        if self.chance(0.2):
            x = self.add("Dense", x, units=5, activation=self.activation())
        units = self.one(1, 3, 4)
        final = "sigmoid" if units == 1 else self.one("softmax", "softmax", "sigmoid")
        form = self.one("inside", "layer", "operation", "object", "none", "two heads")
        if form == "none":
            return self.add("Dense", x, units=units)
        if form == "inside":
            x = self.add("Dense", x, units=units, activation=final)
        elif form == "object" and final == "softmax":
            x = self.add("Dense", x, units=units, activation=("Softmax", {}))
        else:
            source, x = x, self.add("Dense", x, units=units)
            if form == "two heads":
                x = self.add(
                    self.one("Add", "Average", "x * y"), x, self.add("Dense", source, units=units, activation="relu")
                )
            if form == "operation":
                x = self.add(final, x, **({"axis": -1} if final == "softmax" else {}))
            elif final == "softmax" and self.chance(0.5):
                x = self.add("Softmax", x)
            else:
                x = self.add("Activation", x, activation=final)
        if self.chance(0.25):
            kind = self.one("Identity", "Activation", "Dropout", "Reshape", "network")
            after = {
                "Activation": {"activation": "linear"},
                "Dropout": {"rate": 0.2},
                "Reshape": {"target_shape": (units,)},
                "network": {
                    "form": "sequential",
                    "body": Recipe(((units,),), (Step("Identity", ((-1, 0),)),), ((0, 0),)),
                },
            }
            x = self.add(kind, x, **after.get(kind, {}))
        return x


class _EmptyMap(Exception):
    pass


_KINDS = (
    *("convolution",) * 4,
    *("convolution_norm_relu",) * 6,
    *("depthwise", "separable") * 2,
    "transposed",
    *("norm",) * 2,
    *("nonlinearity",) * 4,
    *("pooling",) * 3,
    "resizing",
    *("constant",) * 2,
    "operation",
    "plain_layer",
    "split",
    *("merge",) * 3,
    *("residual",) * 2,
    "squeeze",
    "attention",
    *("again",) * 3,
    *("network",) * 3,
)


def draw(number: int) -> Recipe | None:
    """The network of a number; None where it came to nothing (a map without places)."""
    rng = np.random.default_rng(number)
    height, width = _SIZES[int(rng.integers(len(_SIZES)))]
    # Of a stream of its own: what the others draw stays as it is.
    more = np.random.default_rng([number, 1])
    channels = 3 if more.random() < 0.7 else int(more.choice([1, 2, 4]))
    shape = (None, None, channels) if rng.random() < 0.2 else (height, width, channels)
    drawing = _Drawing(rng, (shape,), 0)
    try:
        if more.random() < 0.2:
            drawing.add("adapted", (-1, 0), **({"axis": [1, 2, 3]} if shape[0] and more.random() < 0.3 else {}))
        drawing.several(int(rng.integers(2, 9)))
        output = drawing.head()
    except (_EmptyMap, ValueError, TypeError):
        return None
    return without_unused(drawing.builder.recipe((output,)))


def without_unused(recipe: Recipe) -> Recipe:
    """The recipe without steps that its outputs do not need."""
    needed: set[int] = set()
    waiting = [step for step, _ in recipe.outputs]
    while waiting:
        number = waiting.pop()
        if number >= 0 and number not in needed:
            needed.add(number)
            step = recipe.steps[number]
            waiting += [ref[0] for ref in step.inputs]
            # The layer of "again" is that of an earlier step: kept, or else called here for the first time.
            waiting += [step.options["of"]] if step.kind == "again" else []
    numbers = {old: new for new, old in enumerate(sorted(needed))}
    return renumbered(recipe, numbers)


def renumbered(recipe: Recipe, numbers: dict[int, int]) -> Recipe:
    """The steps that `numbers` keeps, under their new numbers."""

    def moved(ref: Ref) -> Ref:
        return (numbers[ref[0]] if ref[0] >= 0 else ref[0], ref[1])

    steps = []
    for old in sorted(numbers):
        step = recipe.steps[old]
        options = dict(step.options)
        if step.kind == "again":
            options["of"] = numbers[options["of"]]
        steps.append(Step(step.kind, tuple(map(moved, step.inputs)), options))
    return Recipe(recipe.inputs, tuple(steps), tuple(map(moved, recipe.outputs)))
