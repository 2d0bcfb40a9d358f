"""Write predicted masks as part masks, a PNG a picture, and the table of them that judging takes."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run, say


def main(args: argparse.Namespace) -> None:
    from PIL import Image

    from convscope.data.part_masks import MaskRow
    from convscope.pictures.read import read_image
    from convscope.segmentation.parts import in_the_picture, part_names
    from convscope.storage import store
    from convscope.storage.files import atomic_path, sha256_of, write_json
    from convscope.storage.tables import write_table

    args.out.mkdir(parents=True, exist_ok=True)
    with store.open_file(args.predicted) as file:
        parts = part_names(json.loads(file.attrs["classes"]))
        resize = str(file.attrs["resize"])
        ids, paths, digests = (store.read_text(file[name]) for name in ("id", "path", "sha256"))
        progress = Progress(len(ids), f"masks of {file.attrs['model']}", "images")
        rows = []
        for index, identity in enumerate(ids):
            height, width = read_image(paths[index], sha256=digests[index]).shape[:2]
            mask = in_the_picture(file["predicted"][index], (height, width), resize, parts)
            place = args.out / f"{identity}.png"
            with atomic_path(place) as temporary:
                Image.fromarray(mask).save(temporary, format="PNG")
            rows.append(MaskRow(paths[index], str(place), sha256_of(place)[:16], ""))
            progress.step()
    write_table(args.masks, rows, MaskRow)
    write_json(args.parts, {"parts": parts})
    say(f"{len(rows)} masks; parts: {', '.join(parts)}")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--predicted", type=Path, required=True, help="HDF5 of the predicted masks")
    arguments.add_argument("--out", type=output, required=True, help="output: folder for the masks")
    arguments.add_argument("--masks", type=output, required=True, help="output: table of the masks (CSV)")
    arguments.add_argument("--parts", type=output, required=True, help="output: names of the masks' values (JSON)")
    run(main, arguments)
