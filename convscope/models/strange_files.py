"""What a file is that holds no network of Keras's, and what to do: the words for people."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_TORCH = "which only PyTorch can run; rebuild the network in Keras, or take the same one from keras.applications or keras-hub"


def strange_zip(names: Iterable[str], by_end: Mapping[str, str]) -> str:
    """What a zip is that holds no network of Keras's, and what to do."""
    teachable = "of Teachable Machine choose Export Model, Tensorflow, Keras, and name the zip that it downloads"
    if "model.json" in by_end:
        return f"is a model for the browser (TensorFlow.js); {teachable}"
    if any(name.endswith(".tflite") for name in names):
        return f"holds a model for phones (TensorFlow Lite), whose gradients are gone; {teachable}"
    if "data.pkl" in by_end:
        return f"is a PyTorch file, {_TORCH}"
    if any(name.endswith(".npy") for name in names):
        return "holds arrays of NumPy without a network; save the whole model with model.save('model.keras')"
    if any(re.search(r"\.(keras|h5|hdf5)$", name) for name in names):
        return "is a zip around a model; unpack it and name the .keras or .h5 file in it"
    return "is a zip without a Keras model (damaged, or another thing); save the model with model.save('model.keras')"


def stranger(path: Path, start: bytes) -> str:
    """What a file is that holds no network of Keras's, and what to do."""
    again = "save the model in Keras with model.save('model.keras')"
    text = start.lstrip().lower()
    if start[4:8] == b"TFL3":
        return f"is a model for phones (TensorFlow Lite), whose gradients are gone; take the model that it was made of, or {again}"
    if start.startswith(b"version https://git-lfs"):
        return "is a note of Git LFS that stands for the file; in its repository type: git lfs pull"
    if text.startswith((b"<!doctype", b"<html")):
        return "is a page of the web, not a model; download the file itself"
    if start.startswith(b"\x80") or start.startswith((b"PTMF", b"(dp0", b"\x93PICKLE")):
        kind = (
            "is a PyTorch file"
            if path.suffix in (".pt", ".pth", ".bin", ".ckpt") or b"torch" in start
            else "is a Python pickle"
        )
        return f"{kind}, which runs code when it is opened, so it is not; rebuild the network in Keras and {again}"
    if start[:1] == b"\x08" and (b"onnx" in start.lower() or b"pytorch" in start.lower() or path.suffix == ".onnx"):
        return f"is an ONNX file, which Keras cannot open; {again}"
    if start[8:10] in (b'{"', b"{ ") and int.from_bytes(start[:8], "little") < 100_000_000:
        return f"holds weights alone (safetensors); {again}"
    if text.startswith(b"{"):
        return "holds an architecture or settings alone (JSON), without weights; save the whole model with model.save('model.keras')"
    if path.name == "saved_model.pb":
        return "is the graph of a SavedModel; name the folder that it lies in"
    if path.suffix == ".pb":
        return f"is a frozen graph of TensorFlow's, which Keras cannot take apart; {again}"
    if start.startswith((b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")) or start[257:262] == b"ustar":
        return "is a packed archive; unpack it and name the model in it"
    if not start:
        return "is empty; get it again"
    return f"is not a .keras or .h5 file (it is damaged, or of another program); {again}"
