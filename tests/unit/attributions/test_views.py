"""The pictures beside a map: LIME's three, the changed photo, the part that is enough."""

import numpy as np

from convscope.attributions.views import VIEWS, remark, views

PHOTO = np.full((4, 6, 3), 100, np.uint8)
SEGMENTS = np.kron(np.arange(6).reshape(2, 3), np.ones((2, 2), int))


def test_each_method_has_the_views_it_names() -> None:
    values = np.linspace(-1, 1, 6)[SEGMENTS]
    found = views("lime", PHOTO, values, lambda name: {"segments": SEGMENTS}[name], {}, "coolwarm")
    assert tuple(found) == VIEWS["lime"]
    assert all(picture.shape == PHOTO.shape and picture.dtype == np.uint8 for picture in found.values())
    assert (found["relevant"][:2] == 128).all() and (found["relevant"][2:, 2:] == 100).all()
    assert views("saliency", PHOTO, values, lambda name: SEGMENTS, {}, "coolwarm") == {}


def test_a_contrastive_change_is_shown_as_the_picture_that_was_predicted_again() -> None:
    delta = np.zeros((4, 6, 3))
    delta[0, 0] = [0.2, -0.2, 1.0]
    changed = views("pertinent_negative", PHOTO, delta, lambda name: SEGMENTS, {}, "coolwarm")["changed"]
    assert changed[0, 0].tolist() == [151, 49, 255] and (changed[1:] == 100).all()
    settings = {"neutral": [51, 51, 51]}
    alone = views("pertinent_positive", PHOTO, delta, lambda name: SEGMENTS, settings, "coolwarm")["alone"]
    assert alone[0, 0].tolist() == [102, 0, 255] and (alone[1:] == 51).all()


def test_the_caption_says_what_the_change_led_to() -> None:
    facts = {"success": np.True_, "new_class": np.int64(1), "new_probabilities": np.array([0.38, 0.62])}
    classes = ["cat", "dog"]
    assert remark("pertinent_negative", facts.__getitem__, classes) == "changed, it is dog (62%)"
    assert remark("pertinent_positive", facts.__getitem__, classes) == "by itself it is dog (62%)"
    assert remark("pertinent_negative", {**facts, "success": np.False_}.__getitem__, classes) == "no such change found"
    assert remark("lime", {"segment_count": np.int32(1)}.__getitem__, classes).startswith("the picture is one segment")
    assert remark("lime", {"segment_count": np.int32(9)}.__getitem__, classes) == ""
    assert remark("saliency", {}.__getitem__, classes) == ""
