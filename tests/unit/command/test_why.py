"""`convscope why`: the model's own answers, the workflow's map, and one line for every mistake."""

import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from PIL import Image

import convscope
from convscope.command.main import main
from convscope.command.why import ranking

L = keras.layers
CLASSES = ["ant", "bee", "cow", "dog"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(3)
    x = L.Conv2D(6, 3, activation="relu", name="conv")(L.Rescaling(1 / 25)(image := keras.Input((32, 32, 3))))
    x = L.Dense(4, activation="softmax")(L.Flatten()(L.MaxPooling2D(4)(x)))
    keras.Model(image, x).save("net.keras")
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name in ("b", "a"):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(f"photos/{name}.png")
    return tmp_path


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["why", *arguments, "--model", "net.keras", "--classes", ",".join(CLASSES)])
    said = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, said.out, said.err


def test_the_models_answers_and_the_workflows_map(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, wrong = ran(capsys, "photos", "--top", "3", "--out", "out/of")
    assert (code, wrong) == (0, "")
    model = keras.models.load_model("net.keras")
    for name in ("a", "b"):
        pixels = np.asarray(Image.open(f"photos/{name}.png"))[None]
        expected = np.asarray(model(pixels.astype("float32")))[0]
        facts = json.loads(Path(f"out/of/{name}_gradcam.json").read_text())
        order = [int(place) for place in np.argsort(-expected)[:3]]
        assert [row["class"] for row in facts["answers"]] == [CLASSES[place] for place in order]
        np.testing.assert_allclose([row["value"] for row in facts["answers"]], expected[order], atol=1e-5)
        assert facts["explained"] == [CLASSES[order[0]]] and facts["layer"] == "conv"
        same = convscope.explain("net.keras", f"photos/{name}.png", classes=CLASSES)
        with np.load(f"out/of/{name}_gradcam.npz") as arrays:
            np.testing.assert_allclose(arrays["maps"], same.maps, atol=1e-6)
            assert len(arrays["images"]) == 1
        assert Image.open(f"out/of/{name}_gradcam.png").size[0] > 96
        assert f"{100 * expected[order[0]]:.1f}%  {CLASSES[order[0]]}" in said
    assert said.index("photos/a.png: ") < said.index("photos/b.png: ")


def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_explained(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "broken.png").write_bytes(b"no picture")
    (here / "a\n\x1b[2Jb.png").write_bytes(b"no picture")
    (here / "links").mkdir()
    (here / "links" / "gone.png").symlink_to("nowhere.png")
    code, said, _ = ran(
        capsys, "broken.png", "a\n\x1b[2Jb.png", "links", "photos/a.png", "--method", "saliency", "--target", "all"
    )
    assert code == 1 and "left out: broken.png: not a picture" in said
    assert "left out: links/gone.png: no such file" in said
    assert "\nleft out: a\\n\\x1b[2Jb.png: not a picture" in said
    assert json.loads(Path("why/a_saliency.json").read_text())["explained"] == CLASSES
    assert len(list(Path("why").iterdir())) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["photos/a.png", "--method", "gradcm"], "--method: 'gradcm' does not exist; did you mean 'gradcam'?"),
        (["photos/a.png", "--target", "dgo"], "--target: class 'dgo' does not exist; did you mean 'dog'?"),
        (["photos/a.png", "--target", "4"], "no class number 4"),
        (["photos/a.png", "--layer", "cnov"], "'cnov'"),
        (["photos/c.png"], "the picture 'photos/c.png' does not exist"),
        (["empty"], "there are no pictures in the folder 'empty'"),
        (["photos/a.png", "--set", "colour=1"], "unknown key 'colour'"),
        (["photos/a.png", "--out", "net.keras/why"], "--out: 'net.keras/why' cannot be made (Not a directory)"),
        (["photos/a.png", "--out", "net.keras"], "--out: 'net.keras' is there and is no folder"),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "empty").mkdir()
    code, _, wrong = ran(capsys, *words)
    assert code == 1 and wrong.count("\n") == 1 and said in wrong
    assert not Path("why").exists()


def test_a_regression_keeps_the_order_of_its_numbers() -> None:
    values = np.array([1.0, 3.0, 2.0])
    assert [row["class"] for row in ranking("regression", values, "abc", 5)] == ["a", "b", "c"]
    assert [row["class"] for row in ranking("multiclass", values, "abc", 2)] == ["b", "c"]


class _Weights(http.server.BaseHTTPRequestHandler):
    """Serves the bytes of its server, half of them where it is told to cut, or "not found"."""

    def do_GET(self) -> None:
        server: Any = self.server
        self.send_response(200 if server.content else 404)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(server.content[: len(server.content) // (2 if server.cuts else 1)])

    def log_message(self, *args: Any) -> None:
        pass


def test_weights_are_downloaded_by_name(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """From a server that knows them not, cuts them, sends a page in their place, and sends them."""
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Weights)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    module = sys.modules["keras.src.applications.mobilenet"]
    monkeypatch.setattr(module, "BASE_WEIGHT_PATH", f"http://127.0.0.1:{server.server_address[1]}/")
    (here / "keras").mkdir()
    # Keras reads the variable once, when it is imported.
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(here / "keras"))
    monkeypatch.setenv("KERAS_HOME", str(here / "keras"))
    network = keras.applications.MobileNet(weights=None)
    with h5py.File("served.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)
    whole = Path("served.h5").read_bytes()

    def asked() -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["why", "photos/a.png", "--model", "MobileNet"])
        said = capsys.readouterr()
        return end.value.code, said.out, said.err  # type: ignore[return-value]

    for server.content, server.cuts, wrong in (
        (b"", False, "its weights cannot be downloaded (URL fetch failure"),
        (whole, True, "its weights cannot be downloaded ("),
        (b"<html>sign in</html>", False, f"what was downloaded to '{here}/keras/models' is not"),
    ):
        code, _, said = asked()
        assert code == 1 and wrong in said and "Traceback" not in said and said.count("\n") == 1, said
    (here / "keras" / "models" / "mobilenet_1_0_224_tf.h5").unlink()
    server.content = whole
    code, said, _ = asked()
    assert code == 0
    server.shutdown()
    pixels = convscope.explain(network, "photos/a.png").images
    expected = np.asarray(network(pixels.astype("float32") / 127.5 - 1))[0]
    rows = json.loads(Path("why/a_gradcam.json").read_text())["answers"]
    np.testing.assert_allclose([row["value"] for row in rows], np.sort(expected)[::-1][: len(rows)], rtol=1e-3)


def test_it_computes_as_a_job_does_whatever_the_shell_says(root: Path) -> None:
    """Float32 is float32 on a graphics processor, of which it takes no more than it needs."""
    code = (
        "import os, sys; sys.argv = ['convscope', 'why', 'nothing.png']\nfrom convscope.backends import names\n"
        "from convscope.command.main import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(names.own_process(), os.environ['KERAS_BACKEND'])"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "True tensorflow"
