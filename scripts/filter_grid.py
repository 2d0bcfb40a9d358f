"""Draw a layer's filter patterns as a grid, and how their objectives rose."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import output, parser, run


def main(args: argparse.Namespace) -> None:
    from convscope.filters.figures import objective_figure, pattern_grid
    from convscope.pictures.channels import Channels
    from convscope.pictures.render import save_png
    from convscope.storage import store

    with store.open_file(args.patterns) as file:
        settings = json.loads(file.attrs["settings"])
        channels = file["filter"][()].tolist()
        dead = file["dead"][()]
        objective = file["objective"][()]
        title = f"{file.attrs['model']} / {file.attrs['layer']}"
        pixels, geometry = pattern_grid(
            file["patterns"],
            settings["crop"],
            dead,
            bounded=settings["parameterisation"] != "pixels",
            channels=Channels.of_attributes(file.attrs),
        )
        geometry |= {
            "filters": channels,
            "dead": [channel for channel, is_dead in zip(channels, dead, strict=True) if is_dead],
            "objective": [round(float(value), 5) for value in objective[:, -1]],
        }
        save_png(args.grid, pixels, grid=geometry, model=file.attrs["model"], layer=file.attrs["layer"])
    objective_figure(args.objective, objective, channels, dead, title)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--patterns", type=Path, required=True)
    arguments.add_argument("--grid", type=output, required=True)
    arguments.add_argument("--objective", type=output, required=True)
    run(main, arguments)
