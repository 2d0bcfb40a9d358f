"""What class activation maps depend on."""

from convscope.cams.settings import map_settings, needs_head

PART = {
    "class": "all",
    "batch": 8,
    "methods": ["gradcam", "score_cam", "cam"],
    "score_channels": 5,
    "colormap": "jet",
    "images": ["a"],
}


def test_a_pass_depends_on_its_own_methods_alone() -> None:
    assert map_settings(PART, "score_cam") == {
        "class": "all",
        "batch": 8,
        "methods": ["score_cam"],
        "score_channels": 5,
    }
    shared = map_settings(PART, "shared")
    assert shared == {"class": "all", "batch": 8, "methods": ["gradcam", "cam"]}
    assert map_settings({**PART, "score_channels": 6, "colormap": "gray"}, "shared") == shared


def test_cam_alone_needs_a_head() -> None:
    assert needs_head(PART, "shared") and not needs_head(PART, "score_cam")
    assert not needs_head({**PART, "methods": ["gradcam"]}, "shared")
