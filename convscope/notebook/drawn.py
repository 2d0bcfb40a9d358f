"""What every result of a notebook can do: draw itself in the cell, as a figure, into a file."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from convscope.errors import UserError
from convscope.notebook.sheet import png
from convscope.pictures.render import save_jpeg, save_png
from convscope.storage.files import atomic_path

_JPEG = (".jpg", ".jpeg")


class Drawn:
    """A result that draws itself. A dataclass below it says what it holds, and how its picture is made."""

    def picture(self) -> np.ndarray:
        """The picture, drawn by the functions that draw the workflow's: (H, W, 3) uint8."""
        raise NotImplementedError

    def show(self) -> Any:
        """Show the picture below the cell of a notebook, also from within a loop.

        Returns:
            A `matplotlib.figure.Figure` of the picture, pixel for pixel; outside of a notebook nothing opens by itself.
        """
        from convscope.notebook.figure import shown

        return shown(self.picture())

    def arrays(self) -> dict[str, np.ndarray]:
        """Every array of the result by name; `facts` one by one."""
        found: dict[str, np.ndarray] = {}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            parts = value if isinstance(value, dict) else {field.name: value}
            found |= {name: part for name, part in parts.items() if isinstance(part, np.ndarray)}
        return found

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture (`.png`, `.jpg`) or the arrays (`.npz`, read by `numpy.load`).

        Returns:
            The path.

        Raises:
            UserError: the name has another ending, or its folder does not exist.
        """
        path = Path(path).expanduser()
        kind = path.suffix.lower()
        if kind not in (".png", ".npz", *_JPEG):
            raise UserError(f"{path}: give a name that ends in .png or .jpg (the picture) or .npz (the arrays)")
        if not path.parent.is_dir():
            raise UserError(f"{path}: there is no folder {path.parent}; make it first")
        if kind == ".npz":
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, **self.arrays())  # type: ignore[arg-type]
        else:
            (save_jpeg if kind in _JPEG else save_png)(path, self.picture())
        return path

    def _repr_png_(self) -> bytes:
        """What a notebook shows of a cell that ends in the result."""
        return png(self.picture())


def shape_of(array: np.ndarray) -> str:
    """An array's shape and type in a few words."""
    return f"{array.shape} {array.dtype}"
