"""Writing a data set of drawn pets to a folder, all of it or nothing."""

import multiprocessing
import multiprocessing.connection
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from convscope.drawn_pets.pets import CLASSES, draw_pet
from convscope.drawn_pets.shapes import PARTS
from convscope.errors import UserError
from convscope.files import write_json

_BATCH = 25
_PARTIAL = ".partial"

Progress = Callable[[int], None]


def image_name(label: int, index: int) -> str:
    """The file name of one picture, "cat_00000.png"."""
    return f"{CLASSES[label]}_{index:05d}.png"


def write_dataset(
    folder: str | os.PathLike[str],
    images_per_class: dict[str, int],
    size: int,
    seed: int,
    progress: Progress | None = None,
    workers: int = 1,
) -> None:
    """Draw a data set and write it as PNG files.

    Writes `<folder>/<split>/<class>/<class>_00000.png` (RGB), `<folder>/masks/<split>/<class>/...` (part masks, values
    index PARTS, named in `masks/parts.json`), `<folder>/trimaps/<split>/<class>/...` (1 animal, 2 background, 3 border)
    and the settings as `<folder>/drawn_pets.json`. Everything is written beside `folder` first and renamed at the end, so
    that `folder` is never half full; leftovers of a killed run are removed by the next. The bytes do not depend on
    `workers`.

    Args:
        folder: where the data set goes; an existing one is replaced.
        images_per_class: number of pictures of each class for each split.
        size: side of the pictures in pixels, 64 to 512.
        seed: the study's seed.
        progress: called with the number of pictures written since the last call.
        workers: number of processes.

    Raises:
        UserError: a split's name or number, or the size, is not usable.
    """
    _check(images_per_class, size)
    target = Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    for leftover in target.parent.glob(f".{target.name}.*{_PARTIAL}"):
        shutil.rmtree(leftover, ignore_errors=True)
    # A new name each time: a worker that outlives a killed run must not write into this one.
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=_PARTIAL))
    old = partial.with_name(partial.name.removesuffix(_PARTIAL) + f"-old{_PARTIAL}")
    for kind in ("", "masks", "trimaps"):
        for split in images_per_class:
            for name in CLASSES:
                (partial / kind / split / name).mkdir(parents=True, exist_ok=True)
    batches = [
        (str(partial), label, range(start, min(start + _BATCH, count)), seed, size, split)
        for split, count in images_per_class.items()
        for start in range(0, count, _BATCH)
        for label in range(len(CLASSES))
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
    settings = {"images_per_class": images_per_class, "size": size, "seed": seed, "classes": list(CLASSES)}
    write_json(partial / "drawn_pets.json", settings)
    write_json(partial / "masks" / "parts.json", list(PARTS))
    if target.exists():
        target.rename(old)
    umask = os.umask(0)
    os.umask(umask)
    partial.chmod(0o777 & ~umask)  # mkdtemp makes a private folder
    partial.rename(target)
    if old.exists():
        shutil.rmtree(old)


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


def _write_batch(folder: str, label: int, indices: range, seed: int, size: int, split: str) -> int:
    root = Path(folder)
    inside = Path(split) / CLASSES[label]
    for index in indices:
        pet = draw_pet(label, index, seed, size, split)
        name = image_name(label, index)
        # The picture carries its JPEG noise already; PNG keeps it. Noise does not pack: compress little.
        Image.fromarray(pet.image).save(root / inside / name, compress_level=1)
        Image.fromarray(pet.parts).save(root / "masks" / inside / name)
        Image.fromarray(pet.trimap).save(root / "trimaps" / inside / name)
    return len(indices)


def _check(images_per_class: dict[str, int], size: int) -> None:
    if not 64 <= size <= 512:
        raise UserError(f"drawn pets: image_size is {size}: choose 64 to 512")
    if not images_per_class:
        raise UserError("drawn pets: images_per_class is empty: name at least one split, like {train: 100}")
    for split, count in images_per_class.items():
        if not split or split in ("masks", "trimaps") or not split.replace("_", "").replace("-", "").isalnum():
            raise UserError(
                f"drawn pets: '{split}' cannot name a split: use letters, digits, - and _ (not 'masks' or 'trimaps')"
            )
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise UserError(
                f"drawn pets: images_per_class of '{split}' is {count!r}: must be a whole number of 1 or more"
            )
