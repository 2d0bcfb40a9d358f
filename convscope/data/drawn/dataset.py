"""Writing a dataset of drawn pictures to a folder, all of it or nothing."""

import multiprocessing
import multiprocessing.connection
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.errors import UserError
from convscope.storage.files import write_json
from convscope.storage.runs import still_on

_BATCH = 25
_PARTIAL = ".partial"

Progress = Callable[[int], None]


class Drawn(NamedTuple):
    """A picture, uint8 (s, s, 3); its part mask, uint8 (s, s), index into the kind's parts; its trimap, uint8 (s, s),
    1 object, 2 background, 3 border (the convention of the Oxford-IIIT pets)."""

    image: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    trimap: NDArray[np.uint8]


@dataclass(frozen=True)
class Drawings:
    """A kind of drawn pictures.

    Attributes:
        name: name of the kind, as in the config's `source`.
        classes: class names, in order of the label.
        parts: names of the values of the part masks; 0 is the background.
        draw: from (label, index, seed, size, split) to a picture, the same for the same numbers. Other processes must
            be able to import it: a function of a module, or a `functools.partial` of one.
        options: what else was chosen, to be written beside the pictures.
    """

    name: str
    classes: tuple[str, ...]
    parts: tuple[str, ...]
    draw: Callable[[int, int, int, int, str], Drawn]
    options: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ")

    def image_name(self, label: int, index: int) -> str:
        """The file name of one picture, "cat_00000.png"."""
        return f"{self.classes[label]}_{index:05d}.png"


def write_dataset(
    drawings: Drawings,
    folder: str | os.PathLike[str],
    images_per_class: dict[str, int],
    size: int,
    seed: int,
    progress: Progress | None = None,
    workers: int = 1,
) -> None:
    """Draw a data set and write it as PNG files.

    Writes `<folder>/<split>/<class>/<class>_00000.png` (RGB), `<folder>/masks/<split>/<class>/...` (part masks, values
    index the parts, named in `masks/parts.json`), `<folder>/trimaps/<split>/<class>/...` (1 object, 2 background, 3 border)
    and the settings as `<folder>/<kind>.json`. Everything is written beside `folder` first and renamed at the end, so
    that `folder` is never half full; leftovers of a killed run are removed by the next. The bytes do not depend on
    `workers`.

    Args:
        drawings: what is drawn.
        folder: where the data set goes; an existing one is replaced.
        images_per_class: number of pictures of each class for each split.
        size: side of the pictures in pixels, 64 to 512.
        seed: the study's seed.
        progress: called with the number of pictures written since the last call.
        workers: number of processes.

    Raises:
        UserError: a split's name or number, or the size, is not usable.
    """
    _check(drawings.title, images_per_class, size)
    target = Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    for leftover in target.parent.glob(f".{target.name}.*{_PARTIAL}"):
        shutil.rmtree(leftover, ignore_errors=True)
    # A new name each time: a worker that outlives a killed run must not write into this one.
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=_PARTIAL))
    old = partial.with_name(partial.name.removesuffix(_PARTIAL) + f"-old{_PARTIAL}")
    try:
        _draw_all(drawings, partial, images_per_class, size, seed, progress, workers)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)  # on a full disk, others need the room
        raise
    still_on()
    if target.exists():
        target.rename(old)
    umask = os.umask(0)
    os.umask(umask)
    partial.chmod(0o777 & ~umask)  # mkdtemp makes a private folder
    partial.rename(target)
    if old.exists():
        shutil.rmtree(old)


def _draw_all(
    drawings: Drawings,
    partial: Path,
    images_per_class: dict[str, int],
    size: int,
    seed: int,
    progress: Progress | None,
    workers: int,
) -> None:
    for kind in ("", "masks", "trimaps"):
        for split in images_per_class:
            for name in drawings.classes:
                (partial / kind / split / name).mkdir(parents=True, exist_ok=True)
    batches = [
        (drawings, str(partial), label, range(start, min(start + _BATCH, count)), seed, size, split)
        for split, count in images_per_class.items()
        for start in range(0, count, _BATCH)
        for label in range(len(drawings.classes))
    ]
    with _pool(workers) as pool:
        if pool is None:
            for batch in batches:
                done = _write_batch(*batch)
                if progress:
                    progress(done)
        else:
            waiting = {pool.submit(_write_batch, *batch) for batch in batches}
            while waiting:
                finished, waiting = wait(waiting, return_when="FIRST_COMPLETED")
                for future in finished:
                    done = future.result()
                    if progress:
                        progress(done)
    settings = {"images_per_class": images_per_class, "size": size, "seed": seed, "classes": list(drawings.classes)}
    write_json(partial / f"{drawings.name}.json", settings | drawings.options)
    write_json(partial / "masks" / "parts.json", list(drawings.parts))


@contextmanager
def _pool(workers: int) -> Iterator[Executor | None]:
    if workers <= 1:
        yield None
        return
    # Spawned, not forked: the caller may hold threads of other libraries.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_die_with_parent) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _die_with_parent() -> None:
    """Make this worker end when the process that started it is killed; it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write_batch(drawings: Drawings, folder: str, label: int, indices: range, seed: int, size: int, split: str) -> int:
    root = Path(folder)
    inside = Path(split) / drawings.classes[label]
    for index in indices:
        picture = drawings.draw(label, index, seed, size, split)
        name = drawings.image_name(label, index)
        # The picture carries its JPEG noise already; PNG keeps it. Noise does not pack: compress little.
        Image.fromarray(picture.image).save(root / inside / name, compress_level=1)
        Image.fromarray(picture.parts).save(root / "masks" / inside / name)
        Image.fromarray(picture.trimap).save(root / "trimaps" / inside / name)
    return len(indices)


def _check(title: str, images_per_class: dict[str, int], size: int) -> None:
    if not 64 <= size <= 512:
        raise UserError(f"{title}: image_size is {size}: choose 64 to 512")
    if not images_per_class:
        raise UserError(f"{title}: images_per_class is empty: name at least one split, like {{train: 100}}")
    for split, count in images_per_class.items():
        if not split or split in ("masks", "trimaps") or not split.replace("_", "").replace("-", "").isalnum():
            raise UserError(
                f"{title}: '{split}' cannot name a split: use letters, digits, - and _ (not 'masks' or 'trimaps')"
            )
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise UserError(f"{title}: images_per_class of '{split}' is {count!r}: must be a whole number of 1 or more")
