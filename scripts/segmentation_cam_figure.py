"""Draw Seg-Grad-CAM over its pictures, a class beside the other, and list what each map shows."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run


def main(args: argparse.Namespace) -> None:
    from convscope.pictures.channels import Channels
    from convscope.pictures.read import shown_as
    from convscope.segmentation import figures
    from convscope.segmentation.names import REGIONS
    from convscope.storage import store
    from convscope.storage.tables import write_table

    with store.open_file(args.maps) as file:
        classes = json.loads(file.attrs["classes"])
        size, resize = tuple(json.loads(file.attrs["input_size"])), str(file.attrs["resize"])
        reads = Channels.of_attributes(file.attrs)
        facts = {key: str(file.attrs[key]) for key in ("model", "layer", "region")}
        ids, paths, digests = (store.read_text(file[name]) for name in ("id", "path", "sha256"))
        progress = Progress(len(ids), f"Seg-Grad-CAM of {facts['model']}", "images")
        cells, captions, rows = [], [], []
        for index, identity in enumerate(ids):
            photo = shown_as(reads, paths[index], digests[index], size, resize)
            maps, regions, empty = (file[name][index] for name in ("maps", "regions", "empty"))
            cells.append(figures.cam_cell(photo, maps, regions))
            without = [name for name, nothing in zip(classes, empty, strict=True) if nothing]
            captions.append(identity + (f"\nno evidence for {', '.join(without)}" if without else ""))
            rows += [
                {
                    "id": identity,
                    "path": paths[index],
                    "class": name,
                    "region": facts["region"],
                    "pixels": int(regions[place].sum()),
                    "score": round(float(file["scores"][index, place]), 4),
                    "empty": bool(empty[place]),
                }
                for place, name in enumerate(classes)
            ]
            progress.step()
    words = f"evidence at {facts['layer']} in {REGIONS[facts['region']]} (outlined)"
    figures.draw_cams(args.sheet, cells, captions, classes, words, **facts)
    write_table(args.table, rows, ("id", "path", "class", "region", "pixels", "score", "empty"))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--maps", type=Path, required=True, help="HDF5 of raw maps")
    arguments.add_argument("--sheet", type=output, required=True, help="output: maps over their photos (PNG)")
    arguments.add_argument("--table", type=output, required=True, help="output: a row a map (CSV)")
    run(main, arguments)
