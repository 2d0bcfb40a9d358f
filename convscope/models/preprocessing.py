"""The named preprocessings: what turns 0..255 into what a network takes. Imports nothing heavy."""

from collections.abc import Mapping
from typing import Any

from convscope.errors import UserError, nearest

_CAFFE_MEAN = (103.939, 116.779, 123.68)
_TORCH_MEAN, TORCH_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def preprocessing(mode: str | Mapping[str, Any]) -> dict[str, Any]:
    """`scale`, `offset` and `channels` of a named preprocessing: none, tf, torch, caffe, or `{scale, offset}`.

    Tuples of one value for all channels, or of one a channel. torch and caffe are for three channels.

    Raises:
        UserError: an unknown name.
    """
    if isinstance(mode, Mapping):
        return {"scale": _values(mode.get("scale", 1.0)), "offset": _values(mode.get("offset", 0.0))}
    if mode == "none":
        return {}
    if mode == "tf":
        return {"scale": (1 / 127.5,), "offset": (-1.0,)}
    if mode == "torch":
        return {
            "scale": tuple(1 / (255 * deviation) for deviation in TORCH_DEVIATION),
            "offset": tuple(-mean / deviation for mean, deviation in zip(_TORCH_MEAN, TORCH_DEVIATION, strict=True)),
        }
    if mode == "caffe":
        return {"offset": tuple(-mean for mean in _CAFFE_MEAN), "channels": "bgr"}
    raise UserError(f"preprocessing is '{mode}'; {nearest(mode, ('none', 'tf', 'torch', 'caffe'))}")


def _values(given: Any) -> tuple[float, ...]:
    return tuple(map(float, given)) if isinstance(given, list | tuple) else (float(given),)
