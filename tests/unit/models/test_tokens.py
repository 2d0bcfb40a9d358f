"""Vision transformers: tokens go back to their grid, and a map of them shows where evidence is."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from convscope.cams.mapper import ClassMapper
from convscope.errors import UserError
from convscope.models.cam_layer import default_cam_layer
from convscope.models.canonical import canonical
from convscope.models.gap_head import own_gap_head
from convscope.models.graphs import split_at, tensor_of
from convscope.models.spec import ModelSpec
from convscope.models.tokens import Grid, grid_of

keras_hub = pytest.importorskip("keras_hub")
HEIGHT, WIDTH, SIDE = 48, 80, 8
ROWS, COLUMNS = HEIGHT // SIDE, WIDTH // SIDE


def perturbed(model: keras.Model, seed: int = 0) -> keras.Model:
    """Weights that none of a fresh network are: no gamma of 1, no bias of 0."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = np.asarray(weight)
        kind = weight.path.rpartition("/")[2]
        if kind in ("gamma", "scale", "moving_variance"):
            weight.assign(values * rng.uniform(0.5, 1.5, values.shape))
        elif kind in ("beta", "bias", "moving_mean"):
            weight.assign(values + 0.1 * rng.normal(size=values.shape))
    return model


def hub_vit(pooling: str = "token") -> keras.Model:
    size = {"image_shape": (HEIGHT, WIDTH, 3), "patch_size": SIDE, "num_layers": 2, "num_heads": 2, "hidden_dim": 16}
    backbone = keras_hub.models.ViTBackbone(**size, mlp_dim=32)
    return keras_hub.models.ViTImageClassifier(backbone=backbone, num_classes=5, pooling=pooling)


def hub_deit() -> keras.Model:
    size = {"image_shape": (HEIGHT, WIDTH, 3), "patch_size": SIDE, "num_layers": 2, "num_heads": 2, "hidden_dim": 16}
    backbone = keras_hub.models.DeiTBackbone(**size, intermediate_dim=32)
    return keras_hub.models.DeiTImageClassifier(backbone=backbone, num_classes=5)


def hub_swin() -> keras.Model:
    size = {"image_shape": (64, 64, 3), "embed_dim": 8, "depths": (2, 2), "num_heads": (1, 2), "window_size": 4}
    return keras_hub.models.SwinTransformerImageClassifier(
        backbone=keras_hub.models.SwinTransformerBackbone(**size), num_classes=5
    )


@keras.saving.register_keras_serializable("tests")
class ExtraTokens(layers.Layer):
    """Tokens of one's own in front of those of the patches, or behind them."""

    def __init__(self, count: int, behind: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.count, self.behind = count, behind

    def build(self, shape: Any) -> None:
        self.tokens = self.add_weight(shape=(1, self.count, shape[-1]), initializer="random_normal", name="tokens")

    def call(self, inputs: Any) -> Any:
        own = ops.repeat(self.tokens, ops.shape(inputs)[0], axis=0)
        return ops.concatenate([inputs, own] if self.behind else [own, inputs], axis=1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"count": self.count, "behind": self.behind}


def block(x: Any, number: int) -> Any:
    y = layers.LayerNormalization(epsilon=1e-6, name=f"norm{number}a")(x)
    x = layers.Add(name=f"add{number}a")([x, layers.MultiHeadAttention(2, 8, name=f"mha{number}")(y, y)])
    y = layers.LayerNormalization(epsilon=1e-6, name=f"norm{number}b")(x)
    y = layers.Dense(16, name=f"down{number}")(layers.Dense(32, "gelu", name=f"up{number}")(y))
    return layers.Add(name=f"add{number}b")([x, y])


def own_vit(head: str, before: int = 0, after: int = 0, patches: str = "conv", blocks: int = 2) -> keras.Model:
    """A transformer as people write it: patches, blocks, a head."""
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    if patches == "conv":
        x = layers.Conv2D(16, SIDE, SIDE, name="patches")(inputs)
    else:
        x = layers.Dense(16, name="embedded")(ops.image.extract_patches(inputs, SIDE))
    x = layers.Reshape((ROWS * COLUMNS, 16), name="flat")(x)
    x = ExtraTokens(before, name="registers")(x) if before else x
    x = ExtraTokens(after, behind=True, name="registers_behind")(x) if after else x
    for number in range(1, blocks + 1):
        x = block(x, number)
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    if head == "class":
        x = x[:, 0]
    elif head == "flatten":
        x = layers.Dense(32, "gelu")(layers.Flatten()(x))
    else:
        x = layers.GlobalAveragePooling1D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(5, name="answers")(x))


def spec_of(network: keras.Model) -> ModelSpec:
    size = tuple(network.inputs[0].shape[1:3])
    return ModelSpec(name="vit", input_size=size, resize="stretch", classes=tuple("abcde"), head="multiclass")


CASES: dict[str, tuple[Any, str, Grid]] = {
    "hub, class token": (hub_vit, "vit_encoder_transformer_block_2_ln_1", Grid(ROWS, COLUMNS, 1, 0)),
    "hub, pooled": (lambda: hub_vit("gap"), "vit_encoder_ln", Grid(ROWS, COLUMNS, 1, 0)),
    "hub, distilled": (hub_deit, "deit_encoder_transformer_block_2_ln_1", Grid(ROWS, COLUMNS, 2, 0)),
    "hub, windows": (hub_swin, "norm", Grid(8, 8, 0, 0)),
    "own, pooled": (lambda: own_vit("pool"), "norm", Grid(ROWS, COLUMNS, 0, 0)),
    "own, flattened": (lambda: own_vit("flatten", patches="op"), "norm", Grid(ROWS, COLUMNS, 0, 0)),
    "own, class token": (lambda: own_vit("class", before=1), "norm2a", Grid(ROWS, COLUMNS, 1, 0)),
    "own, registers": (lambda: own_vit("class", before=5, after=2), "norm2a", Grid(ROWS, COLUMNS, 5, 2)),
}


@pytest.fixture(scope="module")
def networks() -> dict[str, tuple[keras.Model, keras.Model]]:
    made: dict[str, tuple[keras.Model, keras.Model]] = {}
    for name, (build, _, _) in CASES.items():
        keras.utils.set_random_seed(0)
        model = perturbed(build())
        made[name] = model, canonical(model, scale=1 / 255)[0]
    return made


@pytest.mark.parametrize("case", CASES)
def test_the_last_tokens_are_the_target_on_the_pictures_grid(case: str, networks: Any) -> None:
    model, flat = networks[case]
    _, layer, grid = CASES[case]
    assert default_cam_layer(flat) == layer
    assert grid_of(flat, tensor_of(flat, layer)) == grid
    images = np.random.default_rng(1).uniform(0, 1, (2, *flat.inputs[0].shape[1:])).astype("float32")
    head, tail = split_at(flat, layer)
    maps, *side = head(images)
    assert maps.shape[1:3] == (grid.rows, grid.columns)
    np.testing.assert_allclose(tail(maps, *side), model(images, training=False), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_a_map_moves_with_what_is_planted(case: str, networks: Any) -> None:
    _, flat = networks[case]
    _, layer, grid = CASES[case]
    mapper = ClassMapper(flat, spec_of(flat), layer, ["gradcam", "layer_cam"])
    height, width = flat.inputs[0].shape[1:3]
    rng = np.random.default_rng(2)
    places = [(1, 1), (1, grid.columns - 2), (grid.rows - 2, 1), (grid.rows - 2, grid.columns - 2)]
    images = np.repeat(rng.uniform(0.4, 0.6, (1, height, width, 3)), 5, axis=0).astype("float32")
    for image, (row, column) in zip(images[1:], places, strict=True):
        down, across = height // grid.rows, width // grid.columns
        image[row * down : (row + 1) * down, column * across : (column + 1) * across] = rng.uniform(
            0, 1, (down, across, 3)
        )
    for target in range(5):
        maps = mapper(images, np.full(5, -1), target).maps["gradcam"][:, 0]
        if (maps > 0).mean() > 0.2:
            break
    moved = np.abs(maps[1:] - maps[:1])
    found = [np.unravel_index(each.argmax(), each.shape) for each in moved]
    assert [tuple(map(int, place)) for place in found] == places


def test_behind_the_last_attention_gradients_at_the_patches_are_zero(networks: Any) -> None:
    """Why the layer is the last block's first normalisation, and not its output."""
    _, flat = networks["own, class token"]
    images = np.random.default_rng(1).uniform(0, 1, (1, HEIGHT, WIDTH, 3)).astype("float32")
    late = ClassMapper(flat, spec_of(flat), "add2b", ["layer_cam"])(images, np.array([-1]), 1)
    right = ClassMapper(flat, spec_of(flat), "norm2a", ["layer_cam"])(images, np.array([-1]), 1)
    assert late.maps["layer_cam"].max() == 0
    assert right.maps["layer_cam"].max() > 0


def test_pooled_tokens_have_a_head_of_their_own_for_cam(networks: Any) -> None:
    _, flat = networks["own, pooled"]
    head = own_gap_head(flat, "norm")
    assert head is not None and head.own
    np.testing.assert_array_equal(head.kernel, flat.get_layer("answers").kernel)
    _, mixed = networks["hub, pooled"]
    assert own_gap_head(mixed, "vit_encoder_ln") is None, "the class token is pooled with the patches"


def test_tokens_that_are_no_grid_are_refused_in_one_line() -> None:
    inputs = keras.Input((32, 32, 3))
    columns = layers.Permute((2, 1, 3))(layers.Conv2D(8, 3, strides=2, padding="same", name="conv")(inputs))
    turned = layers.Reshape((256, 8), name="turned")(columns)
    x = layers.Dense(3)(layers.GlobalAveragePooling1D()(layers.Dense(8, "relu", name="own")(turned)))
    flat, _ = canonical(keras.Model(inputs, x))
    with pytest.raises(UserError, match=r"256 tokens of layer 'own' do not lie as the patches of a 32x32") as caught:
        grid_of(flat, tensor_of(flat, "own"))
    assert "\n" not in str(caught.value)
    assert default_cam_layer(flat) != "own"


def test_a_map_that_is_only_reshaped_stays_the_target() -> None:
    inputs = keras.Input((32, 48, 3))
    x = layers.ReLU(name="act")(layers.Conv2D(8, 3, strides=4, padding="same")(inputs))
    x = layers.GlobalAveragePooling1D()(layers.Reshape((96, 8))(x))
    assert default_cam_layer(canonical(keras.Model(inputs, layers.Dense(3)(x)))[0]) == "act"


def test_patches_that_are_no_squares_are_not_set_aside() -> None:
    """A random network's: eight patches of 2x3 pixels, of which six were taken for a grid of 3x2 and two for classes."""
    image = keras.Input((8, 8, 3))
    tokens = keras.layers.Reshape((-1, 3), name="tokens")(keras.layers.AveragePooling2D((2, 3))(image))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(tokens)))
    with pytest.raises(UserError, match="do not lie as the patches"):
        grid_of(model, model.get_layer("tokens").output)


def tokenised(stem: list[layers.Layer], order: Any = None, pooling: str = "pool", latent: int = 0) -> keras.Model:
    """A picture of 32x32 pixels, a stem that makes 8x8 places of it, tokens of these, a block."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((32, 32, 3))
    for layer in stem:
        x = layer(x)
    x = layers.Reshape((64, 16), name="flat")(x)
    x = ops.take(x, order, axis=1) if order is not None else x
    if latent:
        x = layers.LayerNormalization(name="each")(x)
        asked = layers.Dense(latent, name="asked")(layers.Permute((2, 1))(x))
        x = block(layers.Permute((2, 1), name="learned")(asked), 1)
    x = layers.LayerNormalization(name="norm")(block(x, 2))
    x = layers.GlobalMaxPooling1D()(x) if pooling == "max" else layers.GlobalAveragePooling1D()(x)
    return canonical(perturbed(keras.Model(inputs, layers.Dense(5)(x))))[0]


def overlapping() -> list[layers.Layer]:
    """As compact transformers make tokens: each of a place and half of the next one."""
    convolutions = [layers.Conv2D(16, 3, padding="same", activation="relu", name=f"conv{n}") for n in (1, 2)]
    return [part for conv in convolutions for part in (conv, layers.MaxPooling2D(3, 2, "same"))]


def test_patches_that_overlap_are_found_on_their_grid() -> None:
    flat = tokenised(overlapping())
    assert default_cam_layer(flat) == "norm"
    assert grid_of(flat, tensor_of(flat, "norm")) == Grid(8, 8, 0, 0)


@pytest.mark.parametrize("order", ["by column", "mirrored", "by window"])
def test_tokens_that_are_permuted_behind_their_first_are_refused(order: str) -> None:
    places = np.arange(64).reshape(8, 8)
    windows = places.reshape(2, 4, 2, 4).transpose(0, 2, 1, 3)
    permuted = {"by column": places.T, "mirrored": places[:, ::-1], "by window": windows}[order].ravel().tolist()
    flat = tokenised([layers.Conv2D(16, 4, 4, name="patches")], permuted)
    with pytest.raises(UserError, match="64 tokens of layer 'norm' do not lie as the patches"):
        grid_of(flat, tensor_of(flat, "norm"))


def test_largest_tokens_are_all_the_answers() -> None:
    assert default_cam_layer(tokenised([layers.Conv2D(16, 4, 4, name="patches")], pooling="max")) == "norm"


def test_learned_tokens_are_passed_over() -> None:
    """Ten tokens that ask all patches are no places of the picture; those that they ask are."""
    assert default_cam_layer(tokenised([layers.Conv2D(16, 4, 4, name="patches")], latent=10)) == "each"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["own, pooled", pytest.param("own, class token", marks=pytest.mark.long)])
def test_a_trained_networks_map_need_not_lie_on_its_evidence(case: str) -> None:
    """What docs/models.md says of maps of tokens: a network that tells the colour of a patch, wherever that is."""
    colours = np.array([[1, 0.2, 0.2], [0.2, 1, 0.2], [0.2, 0.2, 1], [1, 1, 0.2], [0.2, 1, 1]], np.float32)

    def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        pictures = 0.6 * rng.uniform(0, 1, (count, HEIGHT, WIDTH, 3)).astype("float32")
        labels, places = rng.integers(0, 5, count), rng.integers(0, (ROWS, COLUMNS), (count, 2))
        for picture, label, (row, column) in zip(pictures, labels, places, strict=True):
            box = np.s_[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
            picture[box] = colours[label] * rng.uniform(0.8, 1)
        return pictures, labels, places

    keras.utils.set_random_seed(0)
    model = CASES[case][0]()
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(*drawn(640, 1)[:2], epochs=8, batch_size=32, verbose=0)
    flat, _ = canonical(model)
    pictures, labels, places = drawn(64, 2)
    maps = ClassMapper(flat, spec_of(flat), default_cam_layer(flat))(pictures, labels, "predicted")
    assert (maps.predicted == labels).mean() > 0.9
    peaks = [np.unravel_index(each.argmax(), each.shape) for each in maps.maps["gradcam"][:, 0]]
    on_it = int((np.array(peaks) == places).all(axis=1).sum())
    print(f"{case}: the peak lies on the patch in {on_it} of {len(peaks)} pictures")
    assert on_it < 48, "maps of tokens lie on the evidence: say so in tests/families/page.py"
