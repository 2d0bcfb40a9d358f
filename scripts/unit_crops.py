"""Draw the real crops of some layers' units, some a sheet: the strongest, and a spread to the most silent."""

import argparse
from functools import lru_cache
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run

# Of pictures that are kept for other units that show them.
KEPT_BYTES = 256 * 2**20


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.models.spec import ModelSpec
    from convscope.pictures.read import shown_as
    from convscope.pictures.render import save_jpeg
    from convscope.storage import store
    from convscope.units.crops import UNITS_A_SHEET, crop_of, sheet
    from convscope.units.store import layers_of, read_field

    spec = ModelSpec.load(args.spec)
    args.out.mkdir(parents=True, exist_ok=True)
    with store.open_file(args.answers) as file:
        paths, digests = (store.read_text(file[column]) for column in ("path", "sha256"))

        @lru_cache(maxsize=max(KEPT_BYTES // (3 * spec.input_size[0] * spec.input_size[1]), 1))
        def picture(image: int) -> np.ndarray:
            return shown_as(spec.reads, paths[image], digests[image], spec.input_size, spec.resize)

        layers = list(layers_of([file]))
        total = sum(len(group["threshold"]) for _, group in layers)
        progress = Progress(total, f"crops of units of {spec.name}", "units")
        for layer, group in layers:
            field, place = read_field(group), group["place"][()]
            shown, threshold, maps = group["shown"][()], group["threshold"][()] / group["scale"][()], group["maps"]
            if not shown.size:  # of a set without pictures
                continue
            for first in range(0, len(threshold), UNITS_A_SHEET):
                units = range(first, min(first + UNITS_A_SHEET, len(threshold)))
                rows = []
                for unit in units:
                    planes = maps[unit]
                    at = [divmod(int(place[image, unit]), planes.shape[2]) for image in shown[unit]]
                    rows.append(
                        [
                            crop_of(picture(int(image)), field, cell, plane, float(threshold[unit]))
                            for image, cell, plane in zip(shown[unit], at, planes, strict=True)
                        ]
                    )
                save_jpeg(args.out / f"{layer}.{first:05d}.jpg", sheet(rows), quality=85)
                progress.step(len(units), layer)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--answers", type=Path, required=True, help="HDF5 of what the units answer")
    arguments.add_argument("--out", type=output, required=True, help="folder for the sheets")
    run(main, arguments)
