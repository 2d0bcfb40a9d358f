"""The gate's verdicts, all metrics of one method, the table and the self-check sheet."""

import json
from pathlib import Path

import numpy as np
import pytest

from convscope.judging.figures import draw_curves
from convscope.judging.gate import FAILED, NOT_JUDGED, PASSED, UNDECIDED, Verdict, sanity_gate, what_can_be_told
from convscope.judging.methods import Subject, at_resolution, judge, spread_over
from convscope.judging.names import CONTROLS, METRICS
from convscope.judging.report import COLUMNS, SELF_CHECK_COLUMNS, self_check, table
from convscope.storage import store

SETTINGS = {"steps": 8, "batch": 16, "tolerance": 0}


def values(faithfulness: float, similarity: float, count: int = 12, spread: float = 0.01) -> dict[str, np.ndarray]:
    wave = spread * np.cos(np.arange(count) * 2.1)
    networks = wave[:, None] + 0.1 * spread * np.array([-1.0, 0.0, 1.0])
    return {
        "faithfulness": faithfulness + wave,
        "unchanged": similarity + networks,
        "randomised_spearman": similarity + networks,
        "randomised_spearman_abs": similarity - networks,
    }


def controls(count: int = 12) -> dict[str, dict[str, np.ndarray]]:
    return {name: {"faithfulness": 0.1 + 0.01 * np.sin(np.arange(count))} for name in CONTROLS}


CONTROL = controls()


def test_a_method_that_passes() -> None:
    found = sanity_gate({"good": values(0.4, 0.05), **CONTROL})
    assert list(found) == ["good"]  # controls are not judged themselves
    assert found["good"].status == PASSED and found["good"].labels == ()
    assert len(found["good"].reasons) == 3
    kept = json.loads(json.dumps(found["good"].to_dict()))
    assert [check["question"] for check in kept["checks"]] == ["randomisation", "centre_blob", "edges"]
    assert kept["checks"][1]["images"] == 12 and kept["checks"][1]["mean"] == pytest.approx(0.3, abs=0.01)


def test_labels_in_words() -> None:
    found = sanity_gate({"bad": values(0.02, 0.9), **CONTROL})["bad"]
    assert found.status == FAILED
    assert found.labels == ("survives randomisation", "worse than a centre blob", "worse than an edge detector")
    assert "0.9" in found.reasons[0] and "worse than a centre blob" in found.reasons[1]


def test_what_is_not_shown_is_not_decided() -> None:
    noisy = sanity_gate({"noisy": values(0.11, 0.05, spread=0.5), **CONTROL})["noisy"]
    assert noisy.status == UNDECIDED  # and not failed
    assert noisy.labels == (
        "not decided with 12 pictures against a centre blob",
        "not decided with 12 pictures against an edge detector",
    )
    assert "12 pictures do not decide whether it beats" in noisy.reasons[1] and "would be needed" in noisy.reasons[1]
    assert not any("does not beat" in words or "fail" in words for words in (*noisy.labels, *noisy.reasons))
    halfway = values(0.4, 0.5, spread=0.3)
    halfway["randomised_spearman_abs"] = halfway["randomised_spearman"] - 0.2
    between = sanity_gate({"between": halfway, **CONTROL})["between"]
    assert between.status == UNDECIDED and between.labels == ("randomisation not decided with 12 pictures",)
    assert "more pictures would tell" in between.reasons[0]


def test_how_many_pictures_would_decide() -> None:
    # A difference of half its standard deviation: 44 pictures would show it nine times in ten.
    wave = np.cos(np.arange(12) * 2.1)
    wave = (wave - wave.mean()) / wave.std(ddof=1)
    control = {name: {"faithfulness": np.zeros(12)} for name in CONTROLS}
    found = sanity_gate({"m": values(0, 0.05) | {"faithfulness": 0.02 * wave + 0.01}, **control})["m"]
    assert "0.50 standard deviations, about 44 would be needed" in found.reasons[1]
    assert found.checks[1]["needed"] == 44
    none = sanity_gate({"m": values(0, 0.05) | {"faithfulness": 0.02 * wave}, **control})["m"]
    assert "more than a thousand" in none.reasons[1] and none.checks[1]["needed"] is None


def test_one_method_s_accusation_counts_less_among_many() -> None:
    # Worse on eight of eight pictures: p = 1 / 256. Against two controls that is enough for one method alone, not for twelve.
    def study(methods: int) -> dict[str, Verdict]:
        waves = np.random.default_rng(0).normal(0, 0.01, (methods, 8))
        worse = {"worse": values(0.0, 0.05, 8)}
        others = {f"m{k}": values(0.0, 0.05, 8) | {"faithfulness": 0.1 + wave} for k, wave in enumerate(waves[1:])}
        return sanity_gate({**worse, **others, **controls(8)})

    assert study(1)["worse"].status == FAILED
    among = study(12)["worse"]
    assert among.status == UNDECIDED
    # Not six, which would be enough if only this were asked: there have to be flips enough for 24 questions.
    assert "It looks worse than a centre blob" in among.reasons[1] and "24 such questions" in among.reasons[1]
    assert among.checks[1]["needed"] == 10


def test_the_networks_spread_counts() -> None:
    # The same for every picture, but each random network leaves another share: one of them alone would be sure of it.
    found = values(0.4, 0.0)
    for name in ("unchanged", "randomised_spearman"):
        found[name] = np.tile([0.3, 0.55, 0.8], (12, 1)) + 0.001 * np.arange(12)[:, None]
    found["randomised_spearman_abs"] = np.zeros((12, 3))
    check = sanity_gate({"m": found, **CONTROL})["m"]
    assert check.status == UNDECIDED and "more random networks would tell" in check.reasons[0]
    one = {name: part[:, 2:] if part.ndim == 2 else part for name, part in found.items()}
    check = sanity_gate({"m": one, **CONTROL})["m"]
    assert check.status == NOT_JUDGED and "1 random network only; 3 are needed" in check.reasons[0]


def test_a_map_that_is_always_the_same_fails_whatever_chance_is() -> None:
    # The same for all weights and all pictures, but for a little noise: nothing is left beyond chance.
    blob = values(0.4, 0.97)
    blob["unchanged"] = np.zeros((12, 3))
    assert sanity_gate({"blob": blob, **CONTROL})["blob"].labels == ("survives randomisation",)
    flipped = blob | {"randomised_spearman": np.full((12, 3), -0.2), "randomised_spearman_abs": np.full((12, 3), 0.95)}
    assert sanity_gate({"flipped": flipped, **CONTROL})["flipped"].labels == ("survives randomisation",)


def test_what_the_architecture_makes_alike_is_forgiven() -> None:
    shared = values(0.4, 0.7)
    shared["unchanged"] = np.full((12, 3), 0.1)
    found = sanity_gate({"shared": shared, **CONTROL})["shared"]
    assert found.status == PASSED and "0.10 beyond chance" in found.reasons[0]


@pytest.mark.parametrize("count", [0, 1, 7])
def test_few_images_decide_nothing(count: int) -> None:
    few = {name: {"faithfulness": v["faithfulness"][:count]} for name, v in CONTROL.items()}
    found = sanity_gate({"few": values(0.02, 0.9, count), **few})["few"]
    assert found.status == NOT_JUDGED and found.labels == ()
    told = found.reasons if count else found.reasons[1:]
    assert all(f"{count} picture" in reason and "8 are needed" in reason for reason in told)
    assert "decide nothing" in what_can_be_told(count)


def test_what_so_many_images_can_tell() -> None:
    assert "24 pictures show in nine of ten studies" in what_can_be_told(24) and " 0.69 " in what_can_be_told(24)
    assert "it takes 44 for 0.5, 119 for 0.3" in what_can_be_told(24)
    assert what_can_be_told(12).endswith("it takes 19 for 0.8, 44 for 0.5, 119 for 0.3.")
    assert "it takes" not in what_can_be_told(200)


def test_missing_metrics_are_said() -> None:
    found = sanity_gate({"part": {"gini": np.ones(9)}})["part"]
    assert found.status == NOT_JUDGED
    assert "not computed" in found.reasons[0]


def planted(count: int = 6) -> tuple[Subject, np.ndarray]:
    """Pictures in which one pixel makes the class, and the map that shows it."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 0.2, (count, 10, 14, 3)).astype(np.float32)
    maps = np.zeros((count, 10, 14), np.float32)
    images[:, 4, 9] = 1.0
    maps[:, 4, 9] = 1.0
    mask = np.zeros((10, 14), bool)
    mask[3:6, 8:11] = True
    masks = [{"object": mask, "head": mask}] * (count - 1) + [{}]
    return Subject(images, np.ones(count, np.int64), [f"i{k}" for k in range(count)], maps, masks), mask


def predict(images: np.ndarray) -> np.ndarray:
    p = np.clip(images[:, 4, 9, 0], 0, 1)
    return np.stack([1 - p, p], axis=1)


def test_all_metrics_of_a_method() -> None:
    subject, mask = planted()
    found = judge(subject, ["curves", "localisation", "sparseness"], SETTINGS, predict)
    assert found.cascade is None
    np.testing.assert_array_equal(found.metrics["pointing"], [1] * 5 + [np.nan])  # no mask, no number
    np.testing.assert_allclose(found.metrics["energy_gain"][:5], 140 / 9)
    np.testing.assert_allclose(found.metrics["gini"], 139 / 140)
    assert (found.metrics["faithfulness"] > 0.5).all()
    rows = table({"planted": found.metrics}, {"planted": found.regions})
    assert all(tuple(row) == COLUMNS for row in rows)
    by_name = {(row["metric"], row["region"]): row for row in rows}
    assert by_name["pointing", ""] | {"mean": 1.0, "images": 5, "better": "higher"} == by_name["pointing", ""]
    # Five hits of five are no certainty: of a share below the fifth root of 0.025, five are rare.
    assert by_name["pointing", ""]["low"] == pytest.approx(0.025 ** (1 / 5), rel=1e-4)
    assert (
        by_name["faithfulness", ""]["low"] is not None and by_name["energy", ""]["low"] is None
    )  # six images, and five
    assert by_name["pointing", "head"]["chance"] == pytest.approx(mask.mean(), rel=1e-4)
    assert by_name["gini", ""]["chance"] is None
    assert {row["metric"] for row in rows} <= set(METRICS)


def test_metrics_that_ask_again() -> None:
    import keras

    subject, _ = planted()
    image = keras.Input((10, 14, 3))
    network = keras.Model(image, keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(image)))
    asked: list[tuple[bool, int]] = []
    explained: list[tuple[str, ...]] = []

    def make(model: keras.Model, seed: int):  # type: ignore[no-untyped-def]
        asked.append((model is network, seed))

        def explain(images: np.ndarray, targets: np.ndarray, keys: list[str]) -> np.ndarray:
            explained.append(tuple(keys))
            assert len(images) == len(targets) == len(keys)
            return np.abs(images).sum(axis=3)

        return explain

    settings = SETTINGS | {
        "randomisation": {"images": 3, "steps": 2, "networks": 2},
        "sensitivity": {"images": 2, "samples": 2, "radius": 0.02},
        "seeds": {"images": 2, "seeds": 4},
    }
    found = judge(subject, ["randomisation", "sensitivity", "seeds"], settings, predict, network, make, seed=7)
    # One layer, so a random model at once, and a second one (never the user's); then the model itself, with the run's seed
    # and another.
    assert asked == [(False, 7), (False, 7), (True, 7), (True, 7), (True, 8)]
    # Beside the pictures, the same without their layout; what a method draws for them is not what it drew for their pictures.
    assert explained[0] == ("i0", "i2", "i5", "i0/scrambled", "i2/scrambled", "i5/scrambled")
    assert found.cascade_images is not None and found.cascade_images.tolist() == [0, 2, 5]
    for name in ("randomised_spearman", "randomised_spearman_abs", "randomised_ssim"):
        assert found.metrics[name].shape == (6, 2)
        assert np.flatnonzero(np.isfinite(found.metrics[name]).all(axis=1)).tolist() == [0, 2, 5]
    np.testing.assert_array_equal(found.metrics["seed_error"][[0, 5]], 0)
    assert (found.metrics["max_sensitivity"][[0, 5]] > 0).all()


def test_an_empty_map_does_not_hide_the_others_curve(tmp_path: Path) -> None:
    """A picture whose own map is constant has no likeness; the curve is the mean of the others', and without any there is none."""
    known, nothing = np.array([[0.8, 0.2], [0.6, 0.0]]), np.full((1, 2), np.nan)
    for name, values in (("known", known), ("both", np.vstack([known[:1], nothing, known[1:]])), ("none", nothing)):
        draw_curves(
            {}, {"saliency": {"depths": np.array([0.5, 1.0]), "spearman_abs": values}}, tmp_path / f"{name}.png"
        )
    drawn = {path.stem: path.read_bytes() for path in tmp_path.iterdir()}
    assert drawn["both"] == drawn["known"] != drawn["none"]


def test_the_curves_of_numbers_are_not_cut_at_one(tmp_path: Path) -> None:
    """What leaves the picture looks like what stays in it: a shift of all by 30 is another picture only where all is shown."""
    fractions, down = np.linspace(0, 1, 5), np.linspace(9, 5, 5)[None]
    for name, more in (("near", 0.0), ("far", 30.0)):
        curves = {"saliency": {"fractions": fractions, "deletion": down + more, "insertion": down[:, ::-1] + more}}
        for head in ("regression", "multiclass"):
            draw_curves(curves, {}, tmp_path / f"{name}_{head}.png", head)
    drawn = {path.stem: path.read_bytes() for path in tmp_path.iterdir()}
    assert drawn["near_regression"] != drawn["far_regression"]
    assert drawn["near_multiclass"] == drawn["far_multiclass"], "probabilities have a fixed scale"


def test_images_are_taken_from_the_whole_set() -> None:
    assert spread_over(24, 4).tolist() == [0, 8, 15, 23]
    assert spread_over(3, 8).tolist() == [0, 1, 2]
    assert spread_over(0, 8).tolist() == []


def test_maps_at_the_pictures_resolution() -> None:
    small = np.array([[[0.0, 1.0]]], np.float32)
    np.testing.assert_allclose(at_resolution(small, (1, 4))[0, 0], [0, 0.25, 0.75, 1])
    assert np.isfinite(at_resolution(np.full((1, 2, 2), np.nan), (4, 4))).all()
    assert at_resolution(np.zeros((0, 2, 2)), (4, 6)).shape == (0, 4, 6)


@pytest.mark.parametrize("right", [True, False])
def test_self_check_sheet(tmp_path: Path, right: bool) -> None:
    path = tmp_path / "maps.h5"
    pair = ("image", "target")
    maps = np.ones((3, 1, 2, 2))
    maps[2, 0, 0, 0] = 1 if right else np.nan
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    logits = np.array([[2.2], [1.4], [0.0]])
    with store.create(path, layer="conv4", settings={"steps": 5}) as file:
        store.write_array(file, "maps", maps, ("image", "target", "height", "width"))
        store.write_array(file, "empty", np.array([[right], [False], [False]]), pair)
        store.write_array(file, "targets", np.array([[0], [1], [1]]), pair)
        store.write_array(file, "probabilities", probabilities, ("image", "class"))
        store.write_array(file, "scores", logits if right else np.array([[0.9], [0.8], [0.5]]), pair)
        store.write_array(file, "facts/completeness_gap", np.array([[0.1], [-0.3], [0.2]]), pair)
        store.write_array(file, "facts/baseline_score", logits + np.array([[0.4], [-0.4], [0.4]]), pair)
        store.write_array(file, "facts/patched_relus", np.full((3, 1), 7 if right else 0), pair)
    with store.open_file(path) as file:
        rows = self_check("guided_backprop", file)
    assert all(tuple(row) == SELF_CHECK_COLUMNS for row in rows)
    found = {row["check"]: (row["value"], row["remark"]) for row in rows}
    assert found["layer chosen"] == ("conv4", "")
    assert found["settings"] == ("steps 5", "")
    # Beside the difference from the baseline that the map should account for, not beside the score, which is far larger.
    remark = "50 % of the mean difference from the baseline"
    assert found["completeness gap"] == ("mean 0.2, largest 0.3", remark) or not right
    assert found["score explained"][0] == ("logit" if right else "probability")
    assert found["ReLUs patched"] == (("7", "") if right else ("0", "nothing is guided"))
    assert found["maps not finite"] == (("0 of 3", "") if right else ("1 of 3", "a fault of the method"))
    assert found["empty maps"][0] == ("1 of 3" if right else "0 of 3")


def test_an_empty_image_set() -> None:
    empty = Subject(np.zeros((0, 8, 8, 3), np.float32), np.zeros(0, np.int64), [], np.zeros((0, 8, 8), np.float32), [])
    found = judge(empty, ["curves", "localisation", "sparseness", "randomisation"], SETTINGS, predict)
    assert found.metrics["faithfulness"].shape == (0,)
    assert table({"none": found.metrics}, {"none": found.regions}) == []
    assert sanity_gate({"none": found.metrics})["none"].status == NOT_JUDGED
