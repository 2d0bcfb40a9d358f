"""The class activation maps by name. No TensorFlow here: the rules and the config's check read it."""

from collections.abc import Iterable

# Name -> title, in the order in which they are shown.
METHODS: dict[str, str] = {
    "gradcam": "Grad-CAM",
    "gradcam_plus_plus": "Grad-CAM++",
    "layer_cam": "Layer-CAM",
    "eigen_cam": "Eigen-CAM",
    "cam": "CAM",
    "score_cam": "Score-CAM",
}
# Those that show what a layer answers to most, whatever the class.
CLASS_FREE = ("eigen_cam",)
# One forward pass feeds all of them but these, which need passes of their own (and so jobs of their own).
OWN_PASS = ("score_cam",)


def pass_of(method: str) -> str:
    """Name of the pass that makes a method's maps: "shared", or the method's own."""
    return method if method in OWN_PASS else "shared"


def methods_of(pass_name: str, wanted: Iterable[str]) -> list[str]:
    """Those of the methods wanted that a pass makes, in the order of `METHODS`."""
    names = set(wanted)
    return [method for method in METHODS if method in names and pass_of(method) == pass_name]
