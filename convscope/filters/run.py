"""Gradient ascent in input space for many filters of one layer."""

import functools
import gc
import sys
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import keras
import numpy as np
from keras import ops

from convscope.backends.memory import out_of_memory
from convscope.backends.running import NAME, compiled, has_gpu, to_numpy, vjp
from convscope.errors import UserError
from convscope.filters.mistrust import Mistrust
from convscope.filters.parameterisations import Fourier, Parameterisation, Phase, Pixels, filter_generator
from convscope.filters.presets import AscentSettings, filters_a_batch, resolved_precision
from convscope.filters.signs import signs_behind
from convscope.filters.steps import Adam, NormalisedSteps, Rings, StepRule, per_sample_norm
from convscope.filters.strength import dead_by_weights
from convscope.filters.transforms import Robustness, moved
from convscope.models.spec import ModelSpec

# Pixels from one place of a layer's map to the next, below which its filters answer to contrast itself: a coarse image that is held
# at one has in the end less of what they look for.
SEES_FEW = 8


@dataclass(frozen=True)
class FilterPatterns:
    """Patterns of some filters of a layer.

    Attributes:
        channels: (N,) int64, the filters.
        patterns: (N, size, size, C) float32, black -1 and white 1 (pixels: values beyond are common before display).
        objective: (N, steps + 1) float32, before every step and after the last; steps at the coarse size count too.
        dead: (N,) bool, the weights are zero, no gradient ever reached the image, or the ReLU of the layer stayed closed.
        opened: (N,) int64, steps taken with the layer's own ReLU open because it hid the gradient.
    """

    channels: np.ndarray
    patterns: np.ndarray
    objective: np.ndarray
    dead: np.ndarray
    opened: np.ndarray

    def only(self, channels: Sequence[int]) -> "FilterPatterns":
        """Those of some filters, in the order given."""
        place = {int(channel): row for row, channel in enumerate(self.channels)}
        rows = [place[channel] for channel in channels]
        return FilterPatterns(*(getattr(self, field.name)[rows] for field in fields(self)))


def ascend(
    network: keras.Model,
    spec: ModelSpec,
    layer: str,
    channels: Sequence[int],
    settings: AscentSettings,
    seed: int,
    on_batch: Callable[[FilterPatterns], None] | None = None,
    done: Collection[int] = (),
    at_once: int = 1,
    report: Callable[[str], None] = lambda line: None,
    on_mistrust: Callable[[str], None] = lambda reason: None,
    by_keras: bool = False,
) -> FilterPatterns:
    """Find the patterns of some filters of one layer by gradient ascent in input space.

    Filters ascend in batches, the last one padded so that one traced step serves all. What a filter becomes does not depend
    on the others of its batch. Filters whose weights are zero are recorded as dead and take no time.

    The first gradient of each image size is held against Keras's own (`proof.Proof`) before anything follows from it. Where the
    written-out trunk is wrong, or does not run, that is reported and the ascent of all filters, also of those that are done, begins
    again with Keras's own graph, in float32.

    Args:
        network: flat functional model whose input is model space.
        spec: its preprocessing; the ascent runs where black is -1 and white is 1, whatever model space is.
        layer: a convolution of the network.
        channels: the filters wanted.
        settings: see `AscentSettings`.
        seed: the run's seed.
        on_batch: called with the patterns of each batch as soon as it is finished.
        done: those of the wanted filters that are found already, left out here. The others ascend in the batches that they
            would have been in: of another size, the last bits of a pattern would differ.
        at_once: batches that ascend side by side, each in a thread of its own; on a graphics processor one. On a CPU whose operations
            have a thread each (`set_threads(..., side_by_side=True)`) nothing waits for the slower half of an operation.
        report: takes lines for the log.
        on_mistrust: called with the reason where Keras's own graph takes over; what was found before is not to be used.
        by_keras: begin with Keras's own graph, as an earlier run did that found those that are done.

    Raises:
        UserError: unknown or unsuitable layer, or a channel the layer does not have.
    """
    precision = own_precision(settings.precision)
    if has_gpu():
        # It takes one batch after the other.
        at_once = 1
    objective, proof = _objective(network, layer, settings.border, precision, report, by_keras)
    beyond = [channel for channel in channels if not 0 <= channel < objective.filters]
    if beyond:
        last = objective.filters - 1
        raise UserError(f"layer '{layer}' has filters 0..{last}; filter {beyond[0]} does not exist")
    hopeless = dead_by_weights(network, layer)
    signs = -signs_behind(network, layer) if settings.negative else None
    # A filter named twice ascends once.
    channels = list(dict.fromkeys(channels))
    batch = filters_a_batch(settings, precision, len(channels), at_once, has_gpu())
    batches = [channels[first : first + batch] for first in range(0, len(channels), batch)]

    def find(ascent: "Ascent", wanted: list[int]) -> FilterPatterns:
        part, living = ascent.nothing(wanted), [channel for channel in wanted if not hopeless[channel]]
        if living:
            _put(part, ascent.run_where_it_fits(living, batch, report), [wanted.index(channel) for channel in living])
            ascent.settle()
        return part

    def find_all(objective: Any, proof: Any, done: Collection[int]) -> FilterPatterns:
        ascent, parts = Ascent(spec, layer, settings, seed, objective, proof, signs), []
        left = [[channel for channel in wanted if channel not in done] for wanted in batches]
        pool = ThreadPoolExecutor(at_once)
        try:
            for part in pool.map(functools.partial(find, ascent), filter(None, left)):
                parts.append(part)
                if on_batch:
                    on_batch(part)
        finally:
            pool.shutdown(cancel_futures=True)
        return joined(parts)

    try:
        return find_all(objective, proof, done)
    except Mistrust as reason:
        report(f"{reason}: going on with Keras's own graph in float32, which takes longer")
        on_mistrust(str(reason))
    return find_all(*_objective(network, layer, settings.border, "float32", report, by_keras=True), ())


def own_precision(wanted: str) -> str:
    """The number format that an ascent has here: "float32" or "bfloat16", on a processor TensorFlow's alone."""
    return resolved_precision(wanted, has_gpu()) if NAME == "tensorflow" or has_gpu() else "float32"


def _objective(
    network: keras.Model, layer: str, border: int, precision: str, report: Callable[[str], None], by_keras: bool
) -> tuple[Any, Any]:
    """What is maximised, and what proves it: on TensorFlow the written-out trunk, elsewhere Keras's own graph alone."""
    if NAME != "tensorflow":
        from convscope.filters.coarse import Unproved
        from convscope.filters.keras_objective import KerasObjective

        if by_keras or precision == "float32":
            return KerasObjective(network, layer, border), None
        return KerasObjective(network, layer, border, precision, report), Unproved(precision)
    from convscope.filters.objectives import ChannelObjective
    from convscope.filters.proof import Proof

    exact = ChannelObjective(network, layer, border, by_keras=by_keras)
    if by_keras:
        return exact, None
    # In another precision only the proof needs it, until it has looked.
    proof = Proof(network, layer, border, precision, report, exact)
    return exact if precision == "float32" else exact.rounded(precision), proof


def joined(parts: Sequence[FilterPatterns]) -> FilterPatterns:
    """Patterns of several batches as one."""
    names = [field.name for field in fields(FilterPatterns)]
    return FilterPatterns(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _put(target: FilterPatterns, found: tuple[np.ndarray, ...], rows: list[int]) -> None:
    for name, values in zip(("patterns", "objective", "dead", "opened"), found, strict=True):
        getattr(target, name)[rows] = values[: len(rows)]


class Ascent:
    """The ascent of one layer, traced once for each image size.

    With `signs`, (filters,) float32, each filter's response before the layer's activation, times its sign, is what rises.
    """

    def __init__(
        self,
        spec: ModelSpec,
        layer: str,
        settings: AscentSettings,
        seed: int,
        objective: Any,
        proof: Any,
        signs: np.ndarray | None = None,
    ) -> None:
        self.objective, self._proof, self._signs = objective, proof, signs
        self._layer, self._settings, self._seed = layer, settings, seed
        self._to_model = model_space(spec)
        self._robustness = Robustness(settings.jitter, settings.zoom, settings.turn)
        self._depth, colours = spec.depth, spec.reads.colour
        self._image: Parameterisation = (
            Phase(self._depth, colours)
            if settings.parameterisation == "phase"
            else Fourier(depth=self._depth, colours=colours, contrast=settings.coarse_contrast)
            if settings.parameterisation == "fourier"
            else Pixels(settings.start, self._depth)
        )
        self.objective.map_size(settings.size)
        # A deep layer of a small network sees nothing of the coarse image: then every step is one of the full size.
        self._stages = settings.stages
        if not self.objective.fits(self._stages[0][0]):
            self._stages = [(settings.size, sum(steps for _, steps in self._stages))]
        self._steps = {size: self._traced(size) for size, _ in self._stages}
        self._measure = self._traced_measure(settings.size)
        # As many filters at once as memory was found for.
        self._most = sys.maxsize

    def _rule(self, size: int) -> StepRule:
        settings = self._settings
        if settings.parameterisation != "pixels":
            return (Rings if settings.rule == "rings" else Adam)(settings.rate)
        return NormalisedSteps(settings.step_length * size / settings.size, settings.smoothing)

    def _traced_measure(self, size: int) -> Callable[..., Any]:
        def measure(variables: Any, channels: Any, moves: Any) -> Any:
            images = self._image.images(variables, size)
            shown, _ = self._to_model(moved(images, moves) if self._robustness else images)
            return self.objective(
                shown, channels, (ops.zeros if self._signs is None else ops.ones)(ops.shape(channels), "bool")
            )

        return compiled(measure, variables=self.objective.variables, autograph=False)

    def _traced(self, size: int) -> Callable[..., Any]:
        rule = self._rule(size)
        holds = size != self._settings.size and min(self.objective.map_size(size)) * SEES_FEW <= size
        plain = isinstance(self._image, Pixels) and not self._robustness

        def gradient_of(variables: Any, channels: Any, opened: Any, moves: Any) -> tuple[Any, Any, Any]:
            if plain:
                images, back = variables, lambda gradient: gradient
            else:

                def drawn(variables: Any) -> Any:
                    images = self._image.images(variables, size)
                    return moved(images, moves) if self._robustness else images

                images, back = vjp(drawn, variables)

            shown, to_white = self._to_model(images)
            values, gradient = self.objective.value_and_gradient(shown, channels, opened)
            if self._signs is None:
                return values, back(to_white(gradient)), gradient
            signs = ops.reshape(ops.take(self._signs, channels), (-1, 1, 1, 1))
            return values, back(to_white(gradient * signs)), gradient

        def step(variables: Any, memory: Any, channels: Any, opened: Any, moves: Any, share: Any) -> Any:
            values, gradient, in_model_space = gradient_of(variables, channels, opened, moves)
            change, memory = rule.move(memory, gradient, share)
            after = variables + change
            if holds:
                after = self._image.held(after, size)
            return after, memory, values, ops.reshape(per_sample_norm(gradient), [-1]), in_model_space

        return compiled(step, variables=self.objective.variables, autograph=False)

    def _step(self, size: int, variables: Any, memory: Any, channels: Any, opened: Any, moves: Any, share: Any) -> Any:
        """One step of a batch: variables, memory, objective and norm of the gradient; the first of a size is proved."""
        try:
            *found, gradients = self._steps[size](variables, memory, channels, opened, moves, share)
        except Exception as error:
            # Whatever it is, it was not asked of Keras's own graph yet; memory is what that needs, too.
            if self._proof and not isinstance(error, self._proof.passed_on) and not out_of_memory(error):
                raise self._proof.gave_up(error, size) from error
            raise
        if self._proof:

            def pictures(rows: slice) -> Any:
                images = self._image.images(variables[rows], size)
                return self._to_model(moved(images, moves[rows]) if self._robustness else images)[0]

            self._proof.check(size, pictures, channels, opened, found[2], gradients, found[3])
        return found

    def settle(self) -> None:
        """Wait until nothing that was found here is still being compared.

        Raises:
            Mistrust: it is not Keras's.
        """
        if self._proof:
            self._proof.settle()

    def nothing(self, channels: list[int]) -> FilterPatterns:
        """The record of filters that are dead from the start."""
        count, size = len(channels), self._settings.size
        steps = sum(steps for _, steps in self._stages)
        return FilterPatterns(
            np.asarray(channels, np.int64),
            np.zeros((count, size, size, self._depth), np.float32),
            np.zeros((count, steps + 1), np.float32),
            np.ones(count, bool),
            np.zeros(count, np.int64),
        )

    def run_where_it_fits(
        self,
        living: list[int],
        batch: int,
        report: Callable[[str], None],
        start: int | None = None,
        called: str = "filters",
        key: str = " (`batch` under `filters`)",
    ) -> tuple[np.ndarray, ...]:
        """As `run`, for as many at once as the memory holds: half as many from where it does not, down to one.

        Args:
            living, batch, start: as in `run`.
            report: takes a line each time that the memory was too small.
            called, key: of the line: what ascends, and what says how many at once.
        """
        found: list[tuple[np.ndarray, ...]] = []
        left = living
        while left:
            size = min(batch, self._most)
            now, behind = left[:size], left[size:]
            try:
                found.append(tuple(part[: len(now)] for part in self.run(now, size, start)))
            except Exception as error:
                if size == 1 or not out_of_memory(error):
                    raise
            else:
                left = behind
                continue
            # Here the error is gone, and with it what it held of the failed step.
            gc.collect()
            self._most = -(-size // 2)
            report(f"memory for {size} {called} at once is lacking: {self._most} at once from here on{key}")
        return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))

    def run(
        self, living: list[int], batch: int, start: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Patterns, objectives, who is dead and steps with the ReLU opened, of one batch padded to `batch` filters.

        With `start` all begin, and are moved, as that one.
        """
        channels = living + [living[-1]] * (batch - len(living))
        stages = self._stages
        starts = channels if start is None else [start] * len(channels)
        generators = [filter_generator(self._seed, self._layer, channel) for channel in starts]
        variables = ops.convert_to_tensor(self._image.begin(generators, stages[0][0]))
        total = sum(steps for _, steps in stages)
        # What is tried out at first is settled at last.
        moves = self._robustness.draw(generators, total + 1) * _falling(self._settings.moves_left, total)[:, None, None]
        left = self._settings.rate_left if self._settings.parameterisation != "pixels" else 1.0
        shares = ops.convert_to_tensor(_falling(left, total))
        wanted = ops.convert_to_tensor(channels, "int32")
        # Below its ReLU's threshold an answer has no gradient: what is to fall is the answer before it.
        negative = self._signs is not None
        closed = (ops.ones if negative else ops.zeros)((len(channels),), "bool")
        values = np.zeros((len(channels), total + 1), np.float32)
        opened = np.zeros(len(channels), np.int64)
        alive = np.zeros(len(channels), bool)
        gated = self.objective.gated and not negative

        def move(size: int, variables: Any, memory: Any, index: int) -> tuple[Any, Any, Any, np.ndarray]:
            """One step; a filter whose own ReLU hides the gradient climbs before it. Last: who was stuck."""
            after, kept, value, norm = self._step(size, variables, memory, wanted, closed, moves[index], shares[index])
            stuck = to_numpy(norm) == 0
            if gated and stuck.any():
                past_relu, other, _, norm = self._step(
                    size, variables, memory, wanted, ops.convert_to_tensor(stuck), moves[index], shares[index]
                )
                after = _where(stuck, past_relu, after)
                kept = keras.tree.map_structure(lambda new, old: _where(stuck, new, old), other, kept)
                opened[:] += stuck & (to_numpy(norm) > 0)
            alive[:] |= to_numpy(norm) > 0
            return after, kept, value, stuck

        memory = self._rule(stages[0][0]).begin(variables)
        # First let the sleeping ones wake, the others waiting; a network without such filters takes no step here.
        for _ in range(total if gated else 0):
            after, _, _, stuck = move(stages[0][0], variables, memory, 0)
            if not (stuck & alive).any():
                break
            variables = _where(stuck, after, variables)
        index = 0
        for number, (size, steps) in enumerate(stages):
            if number:
                variables = self._image.grow(variables, stages[number - 1][0], size)
                memory = self._rule(size).begin(variables)
            for _ in range(steps):
                variables, memory, value, _ = move(size, variables, memory, index)
                values[:, index] = to_numpy(value)
                index += 1
        values[:, index] = to_numpy(self._measure(variables, wanted, moves[index]))
        silent = gated & (values.max(axis=1) == 0)
        if self._signs is not None:
            values *= self._signs[channels][:, None]
        return to_numpy(self._image.images(variables, stages[-1][0])), values, ~alive | silent, opened


def _falling(left: float, steps: int) -> np.ndarray:
    """From 1 at the first step evenly to what is left at the last and after it: (steps + 1,) float32."""
    return np.append(np.linspace(1, left, steps), left).astype(np.float32)


def _where(chosen: np.ndarray, first: Any, second: Any) -> Any:
    """`first` for the chosen samples, `second` for the others; what is not a value a sample is the same for all."""
    if not len(first.shape):
        return second
    return ops.where(ops.reshape(ops.convert_to_tensor(chosen), [-1] + [1] * (len(first.shape) - 1)), first, second)


def model_space(spec: ModelSpec) -> Callable[[Any], tuple[Any, Callable[[Any], Any]]]:
    """From black -1, white 1 to the model's own space and, for gradients, back; for Xception the two spaces are the same."""
    scale = np.asarray(spec.scale, np.float32) * 127.5
    offset = np.asarray(spec.scale, np.float32) * 127.5 + np.asarray(spec.offset, np.float32)
    reverse = spec.channels == "bgr"
    same = np.allclose(scale, 1) and np.allclose(offset, 0, atol=1e-6)

    def back(gradient: Any) -> Any:
        gradient = gradient if same else ops.multiply(gradient, scale)
        return ops.flip(gradient, axis=-1) if reverse else gradient

    def convert(images: Any) -> tuple[Any, Callable[[Any], Any]]:
        images = ops.flip(images, axis=-1) if reverse else images
        return (images if same else ops.add(ops.multiply(images, scale), offset)), back

    return convert
