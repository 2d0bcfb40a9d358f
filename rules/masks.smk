"""Part masks: listed beside the pictures, and by themselves those that a training looks at."""

from convscope.data.places import learned_masks, listed_masks
from convscope.data.settings import masks_settings


def masks_fingerprint(wildcards):
    """What a user's part masks hold, and what names their parts, wherever they lie."""
    dataset = config["datasets"][wildcards.dataset]
    if dataset["source"] not in ("table", "path"):
        return []
    listed = listed_masks(dataset)
    found = [contents_of(listed)] if listed else []
    root = Path(dataset["path"])
    places = (
        [root / dataset["masks"], root / "parts.json"] if dataset.get("masks") else []
    )
    return found + [content_of(place) for place in places if place.exists()]


rule masks:
    """List the part masks of a dataset's pictures."""
    input:
        images=rules.dataset.output.images,
        made=dataset_content,
    output:
        masks="<study>/datasets/{dataset}/masks.csv",
        parts="<study>/datasets/{dataset}/parts.json",
    log:
        "<study>/logs/masks/{dataset}.log",
    benchmark:
        "<study>/benchmarks/masks/{dataset}.tsv"
    group:
        together("masks")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("masks"),
        runtime=minutes("masks"),
    params:
        code=code("masks"),
        settings=lambda w: argument(masks_settings(config["datasets"][w.dataset])),
        fingerprint=masks_fingerprint,
        folder=dataset_path,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" masks --settings {params.settings:q} --folder={params.folder:q} --images {input.images:q} \
            --masks {output.masks:q} --parts {output.parts:q} --log {log:q}
        """


def learned_masks_fingerprint(wildcards):
    """The same of the masks that a training looks at, so that no other one makes it begin anew, as far as that is known beforehand."""
    dataset = config["datasets"][wildcards.dataset]
    known = learned_masks(dataset) if dataset["source"] in ("table", "path") else None
    if known is None:
        return masks_fingerprint(wildcards)
    files, folders = known
    return [contents_of(files), *(content_of(place) for place in folders)]


rule masks_to_learn:
    """List by themselves the part masks that a network of pixels learns from and is validated with."""
    input:
        images=rules.dataset.output.images,
        made=dataset_content,
    output:
        masks="<study>/datasets/{dataset}/masks_to_learn.csv",
        parts="<study>/datasets/{dataset}/parts_to_learn.json",
    log:
        "<study>/logs/masks_to_learn/{dataset}.log",
    benchmark:
        "<study>/benchmarks/masks_to_learn/{dataset}.tsv"
    group:
        together("masks_to_learn")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("masks_to_learn"),
        runtime=minutes("masks_to_learn"),
    params:
        code=code("masks_to_learn"),
        settings=lambda w: argument(masks_settings(config["datasets"][w.dataset])),
        fingerprint=learned_masks_fingerprint,
        folder=dataset_path,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" masks_to_learn --settings {params.settings:q} --folder={params.folder:q} --images {input.images:q} \
            --masks {output.masks:q} --parts {output.parts:q} --log {log:q}
        """
