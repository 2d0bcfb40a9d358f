"""What attribution maps and their pictures depend on."""

from convscope.attributions.settings import map_settings, style_settings

STYLE = {"colormap": "jet", "diverging": "RdBu_r", "percentile": 99, "scale": 2}
PART = {"class": "all", "batch": 4, "layer": "conv4", "rise": {"masks": 9}, "occlusion": {"patch": 8}, **STYLE}


def test_what_other_methods_are_set_to_does_not_matter() -> None:
    assert map_settings(PART, "rise") == {"class": "all", "batch": 4, "rise": {"masks": 9}}
    assert map_settings(PART, "guided_gradcam") == {"class": "all", "batch": 4, "layer": "conv4"}
    assert map_settings(PART, "saliency") == {"class": "all", "batch": 4}


def test_pictures_depend_on_the_style_alone() -> None:
    assert style_settings(PART) == STYLE
