"""The judge judged: maps known to be right or wrong, studies known to hold something or nothing, and the page that says so."""

import re

import numpy as np
import pytest

from convscope.judging.gate import FAILED, NOT_JUDGED, PASSED, UNDECIDED, Verdict, decide, sanity_gate
from convscope.judging.methods import Judged
from convscope.judging.names import CONTROLS, RIVALS
from convscope.judging.rates import SHAPES, false_alarms, outcomes, survival
from convscope.judging.signflip import p_values
from convscope.judging.simulated import MAPS, SIDE, WINDOW, World, judge_maps, make_world, true_map, verdicts
from scripts import judging_tables

PAGE = judging_tables.PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


@pytest.fixture(scope="module")
def judged(world: World) -> dict[str, Judged]:
    return judge_maps(world)


@pytest.fixture(scope="module")
def gates(judged: dict[str, Judged]) -> dict[str, Verdict]:
    return verdicts(judged)


def mean(judged: dict[str, Judged], name: str, metric: str, region: str = "") -> float:
    found = judged[name]
    return float(np.nanmean((found.regions[region] if region else found.metrics)[metric]))


def test_the_model_looks_where_it_is_said_to(world: World) -> None:
    assert (world.predict(world.images)[:, 1] > 0.9).all()
    assert (world.spots.sum(axis=(1, 2)) == WINDOW**2).all() and not (world.spots & world.stripes).any()
    without = np.where(world.spots[..., None], world.images.mean(axis=(1, 2), keepdims=True), world.images)
    assert (world.predict(without)[:, 1] < 0.1).all()
    beside = np.where(world.stripes[..., None], world.images.mean(axis=(1, 2), keepdims=True), world.images)
    np.testing.assert_allclose(world.predict(beside), world.predict(world.images), atol=0.02)


def test_the_true_map_is_what_the_network_adds_up(world: World) -> None:
    # Exact where the largest answer stays in its window: the logit less that of the mean colour, of which grey gives nothing.
    maps = true_map(world.network, world.images)
    assert (np.abs(maps[~world.spots]) < 1e-12).mean() > 0.99
    colour = world.images.mean(axis=(1, 2))
    kernel = world.network.get_layer("conv").get_weights()[0][..., 0]
    expected = np.asarray(world.network(world.images))[:, 0] - (8 * (colour @ kernel.sum(axis=(0, 1))) - 4)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["perfect", "noisy", "one pixel off"])
def test_maps_of_the_model_pass(name: str, gates: dict[str, Verdict], judged: dict[str, Judged]) -> None:
    assert gates[name].status == PASSED
    assert mean(judged, name, "faithfulness") > 0.8
    assert abs(mean(judged, name, "unchanged")) < 0.1


def test_maps_that_do_not_know_the_model_survive_it(gates: dict[str, Verdict], judged: dict[str, Judged]) -> None:
    for name in ("mask-driven", "picture-driven", "noise of its own"):
        assert gates[name].status == FAILED and "survives randomisation" in gates[name].labels
    # The mask has every point that a mask can give, and only random weights tell.
    assert gates["mask-driven"].labels == ("survives randomisation",)
    assert mean(judged, "mask-driven", "pointing") == mean(judged, "mask-driven", "energy") == 1
    # And where the model looks beside the mask, the right map has none.
    assert mean(judged, "perfect", "energy", "beside") < 0.01 and mean(judged, "perfect", "pointing", "beside") == 0


def test_the_inverted_map_is_the_worst(gates: dict[str, Verdict], judged: dict[str, Judged]) -> None:
    assert gates["inverted"].labels == tuple(f"worse than {CONTROLS[rival]}" for rival in RIVALS)
    faithful = {name: mean(judged, name, "faithfulness") for name in judged}
    assert min(faithful, key=faithful.__getitem__) == "inverted" and mean(judged, "inverted", "energy") < 0.01
    assert faithful["perfect"] >= faithful["one pixel off"] > faithful["noisy"] > faithful["random"]


@pytest.mark.parametrize("name", ["constant", "empty"])
def test_maps_that_say_nothing(name: str, gates: dict[str, Verdict], judged: dict[str, Judged]) -> None:
    assert mean(judged, name, "pointing") == 0
    assert mean(judged, name, "faithfulness") == pytest.approx(mean(judged, "random", "faithfulness"), abs=0.04)
    assert np.isnan(judged[name].metrics["unchanged"]).all()
    assert gates[name].checks[0]["outcome"] == NOT_JUDGED and "tells nothing" in gates[name].reasons[0]
    assert gates[name].status != PASSED


def test_all_of_them_are_on_the_page(judged: dict[str, Judged], gates: dict[str, Verdict], monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("convscope.judging.simulated.judge_maps", lambda world: judged)
    printed, made = judging_tables.read(PAGE, "maps"), judging_tables.maps()
    assert [len(row) for row in printed] == [len(row) for row in made]
    assert len(printed) == 2 + len(MAPS) + len(CONTROLS)
    for old, new in zip(printed, made, strict=True):
        for before, now in zip(old, new, strict=True):
            if re.fullmatch(r"-?\d+\.\d+", now):
                assert float(before) == pytest.approx(float(now), abs=0.011), (old[0], before, now)
            else:
                assert before == now, old[0]


def shares(cell: str) -> list[float]:
    return [float(part.strip(" %")) / 100 for part in cell.split("/")]


def close(printed: float, share: float, studies: int) -> bool:
    """Whether two simulated shares, one of many and one of few studies, are the same but for chance."""
    least = max(printed, share, 2 / studies)
    return abs(printed - share) < 5 * np.sqrt(
        least * (1 - min(least, 0.999)) * (1 / studies + 1 / judging_tables.STUDIES)
    )


@pytest.mark.parametrize(
    ("shape", "pictures"), [("normal", 8), ("normal", 12), ("skewed to the right", 8), ("heavy tails", 24)]
)
def test_false_alarms_are_those_of_the_page(shape: str, pictures: int) -> None:
    studies = 250
    found = false_alarms(pictures, shape, studies=studies, seed=1)
    printed = {tuple(row[:2]): row[2:] for row in judging_tables.read(PAGE, "alarms")[2:]}
    assert len(printed) == len(SHAPES) * len(judging_tables.PICTURES)
    said = [share for cell in printed[shape, str(pictures)] for share in shares(cell)]
    now = (found.beats, found.worse, found.passes, found.some_pass, found.some_worse, found.revealed)
    for before, share in zip(said, now, strict=True):
        assert close(before, share, studies), (shape, pictures, said, now)


def test_the_page_keeps_the_promise() -> None:
    for shape, _, *cells in judging_tables.read(PAGE, "alarms")[2:]:
        beats, worse, passes, _, some_worse, revealed = (shares(cell)[0] for cell in cells)
        assert revealed <= 0.025 + 0.01  # of two equal models, whatever the spread: the difference has no skew
        if not shape.startswith("skewed"):
            assert max(beats, worse) <= 0.025 + 0.005 and some_worse <= 0.025 + 0.01 and passes < 0.01
        assert max(beats, worse) < 0.07


@pytest.mark.parametrize(("effect", "pictures"), [(0.5, 8), (0.8, 24), (-0.8, 12)])
def test_what_the_gate_finds_is_on_the_page(effect: float, pictures: int) -> None:
    heading, _, *rows = judging_tables.read(PAGE, "found")
    printed = {float(row[0]): dict(zip(heading[1:], row[1:], strict=True)) for row in rows}
    said, now = shares(printed[effect][f"{pictures} pictures"]), outcomes(effect, pictures, studies=250, seed=1)
    assert sum(now) == pytest.approx(1)
    assert all(close(before, share, 250) for before, share in zip(said, now, strict=True)), (said, now)
    # A better method is never failed for want of pictures.
    assert effect < 0 or now[2] == 0


@pytest.mark.parametrize(("left", "networks"), [(0.1, 3), (0.5, 3), (0.9, 5)])
def test_what_random_weights_tell_is_on_the_page(left: float, networks: int) -> None:
    heading, _, *rows = judging_tables.read(PAGE, "random weights")
    printed = {float(row[0]): dict(zip(heading[1:], row[1:], strict=True)) for row in rows}
    said, now = shares(printed[left][f"{networks} networks"]), survival(left, networks=networks, studies=250, seed=1)
    assert all(close(before, share, 250) for before, share in zip(said, now, strict=True)), (said, now)


def test_how_many_pictures_is_on_the_page() -> None:
    assert judging_tables.read(PAGE, "needed") == judging_tables.needed()


def test_a_table_takes_the_place_of_the_old_one() -> None:
    text = "a\n<!-- table: x -->\n| old |\n<!-- end -->\nb\n<!-- table: y -->\n| kept |\n<!-- end -->\n"
    found = judging_tables.replaced(text, "x", [["p", r"\1"], ["---", "---"]])
    assert judging_tables.read(found, "x") == [["p", r"\1"], ["---", "---"]]
    assert judging_tables.read(found, "y") == [["kept"]] and found.startswith("a\n") and "\nb\n" in found


def test_the_simulated_gate_is_the_gate() -> None:
    """The rates are simulated by the gate's functions on many studies at once; study by study the gate says the same."""
    random = np.random.default_rng(0)
    seen = set()
    for _ in range(60):
        shift = random.normal(0, 0.8, 3)
        controls = {name: random.normal(0, 0.7, 12) for name in CONTROLS}
        methods = {f"m{k}": shift[k] + random.normal(0, 0.7, 12) for k in range(3)}
        gaps = np.stack([[methods[m] - controls[rival] for m in methods] for rival in RIVALS])
        better, worse = p_values(gaps)
        expected = decide(better.ravel(), worse.ravel()).reshape(2, 3)
        gate = sanity_gate({name: {"faithfulness": v} for name, v in (methods | controls).items()})
        for index, name in enumerate(methods):
            said = [check["outcome"] for check in gate[name].checks[1:]]
            assert said == [{1: PASSED, 0: UNDECIDED, -1: FAILED}[int(o)] for o in expected[:, index]]
            seen.update(said)
    assert seen == {PASSED, UNDECIDED, FAILED}
    assert SIDE > 2 * WINDOW
