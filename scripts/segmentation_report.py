"""Say how good predicted masks are, and draw them: IoU a class, pixel confusion, masks beside their photos, the worst pictures."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run, say


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.pictures.channels import Channels
    from convscope.pictures.read import shown_as
    from convscope.segmentation import figures, metrics, report
    from convscope.segmentation.names import IGNORED
    from convscope.segmentation.store import read_masks
    from convscope.storage import store
    from convscope.storage.files import write_json
    from convscope.storage.tables import write_table

    with store.open_file(args.masks) as file:
        classes = json.loads(file.attrs["classes"])
        size, resize = tuple(json.loads(file.attrs["input_size"])), str(file.attrs["resize"])
        reads = Channels.of_attributes(file.attrs)
        facts = {key: str(file.attrs[key]) for key in ("model", "model_digest", "images_digest")}
        ids, paths, names, digests = (store.read_text(file[name]) for name in ("id", "path", "class", "sha256"))
        counts = np.zeros((len(ids), len(classes), len(classes)), np.int64)
        ignored = np.zeros(len(ids), np.int64)
        known = file["known"][()]
        progress = Progress(len(ids), f"masks of {facts['model']}", "images")
        done = 0
        for batch in read_masks(file):
            for truth, predicted in zip(batch.truth, batch.predicted, strict=True):
                counts[done] = metrics.confusion(truth, predicted, len(classes))
                ignored[done] = (truth == IGNORED).sum()
                done += 1
                progress.step()
        numbers = metrics.numbers_of(counts[known]) if known.any() else None
        unused = int(file.attrs["masks_not_used"])

        means = metrics.mean_known(metrics.iou(counts), axis=1)

        def draw(path: Path, chosen: list[int], with_truth: bool) -> None:
            cells, captions = [], []
            for index in chosen:
                photo = shown_as(reads, paths[index], digests[index], size, resize)
                truth = file["truth"][index] if known[index] else np.full(size, IGNORED, np.int8)
                cells.append(
                    figures.masks_cell(photo, truth if with_truth else None, file["predicted"][index], len(classes))
                )
                said = "" if np.isnan(means[index]) else f": mean IoU {means[index]:.3f}"
                captions.append(f"{ids[index]}{said}")
            figures.draw_masks(path, cells, captions, classes, known=with_truth, model=facts["model"])

        draw(args.sheet, report.spread(len(ids), args.shown), bool(known.any()))
        draw(args.worst, report.worst(counts, known, args.shown), with_truth=True)
    title = f"{facts['model']} on {args.title}"
    figures.draw_confusion(args.confusion, title, numbers, classes)
    figures.draw_overlap(args.overlap, title, counts[known], numbers, classes)
    about = list(zip(ids, paths, names, strict=True))
    write_table(
        args.pictures, report.picture_rows(about, counts, ignored, known, classes), report.picture_columns(classes)
    )
    write_table(args.classes, report.class_rows(numbers, classes), report.CLASS_COLUMNS)
    found = report.metrics(numbers, classes, int(ignored[known].sum()))
    write_json(
        args.metrics,
        {**facts, "images": len(ids), "with_mask": int(known.sum()), "masks_not_used": unused, **found},
    )
    say(report.sentence(numbers, classes) if numbers else "none of these pictures has a mask: nothing to compare with")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--masks", type=Path, required=True, help="HDF5 of predicted masks")
    arguments.add_argument("--title", required=True, help="what the pictures are called")
    arguments.add_argument("--shown", type=int, required=True, help="at most this many pictures on a sheet")
    arguments.add_argument("--metrics", type=output, required=True, help="output: what is known of all pictures (JSON)")
    arguments.add_argument("--classes", type=output, required=True, help="output: a row a class (CSV)")
    arguments.add_argument("--pictures", type=output, required=True, help="output: a row a picture (CSV)")
    arguments.add_argument("--sheet", type=output, required=True, help="output: masks beside their photos (PNG)")
    arguments.add_argument("--worst", type=output, required=True, help="output: those with the lowest IoU (PNG)")
    arguments.add_argument("--confusion", type=output, required=True, help="output: what pixels are taken for (PNG)")
    arguments.add_argument("--overlap", type=output, required=True, help="output: IoU of every class and picture (PNG)")
    run(main, arguments)
