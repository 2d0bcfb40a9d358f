"""A study of every kind of work, and the slow server that it downloads from."""

import contextlib
import hashlib
import http.server
import io
import threading
import time
import zipfile
from collections.abc import Iterator

import numpy as np
from PIL import Image

CONFIG = "kills.yaml"
TEXT = """
study: kills
seed: 5
datasets:
  pets: {{source: drawn_pets, image_size: 64, images_per_class: {{train: 24, validation: 8, test: 8}}}}
  photos:
    source: archive
    url: {url}/photos.zip
    sha256: "{sha256}"
    folder: PetImages
    classes: [Cat, Dog]
    images_per_class: {{train: 3, test: 2}}
models:
  net: {{source: train, architecture: mini_xception, dataset: pets, image_size: 64, width: 0.7, epochs: 4, batch_size: 8}}
evaluations: {{net: [pets/test]}}
image_sets:
  few: {{dataset: pets, split: test, per_class: 2}}
  photos: {{dataset: photos, split: test}}
  one: {{urls: ["{url}/elephant.png"]}}
activations:
  net: {{images: [few, one], layers: [stem_conv, block2], sheets: 1, shard: 3}}
filters:
  net: {{layers: [stem_conv, block2_residual_conv], filters: 11, size: 48, steps: 40, batch: 2}}
cams:
  net: {{images: [few, photos], class: all, shard: 3}}
attributions:
  net: {{images: [few], methods: [integrated_gradients], class: all, shard: 3, integrated_gradients: {{steps: 6}}}}
"""
_PIECES, _PAUSE = 20, 0.08


def picture(seed: int, side: int = 80) -> bytes:
    """A photo of noise, as PNG."""
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def archive() -> bytes:
    """Photos in two class folders, the same bytes each time."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for label, name in enumerate(("Cat", "Dog")):
            for number in range(6):
                file.writestr(zipfile.ZipInfo(f"PetImages/{name}/{number}.png"), picture(10 * label + number))
    return stream.getvalue()


class Slow(http.server.BaseHTTPRequestHandler):
    """Sends what it has in pieces, two seconds a file, and from the middle where asked; counts both."""

    files: dict[str, bytes]
    asked: list[str]

    def do_GET(self) -> None:
        content = self.files[self.path]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.asked.append("rest" if start else "all")
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        step = -(-len(content) // _PIECES)
        with contextlib.suppress(OSError):  # who asked is killed
            for place in range(start, len(content), step):
                time.sleep(_PAUSE)
                self.wfile.write(content[place : place + step])

    def log_message(self, *args: object) -> None:
        """Silent."""


@contextlib.contextmanager
def served() -> Iterator[tuple[str, list[str]]]:
    """The server: the config that names it, and what it is asked for, "all" of a file or the "rest" of one."""
    files = {"/photos.zip": archive(), "/elephant.png": picture(7, 200)}
    asked: list[str] = []
    handler = type("Handler", (Slow,), {"files": files, "asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield TEXT.format(url=url, sha256=hashlib.sha256(files["/photos.zip"]).hexdigest()), asked
        finally:
            server.shutdown()
