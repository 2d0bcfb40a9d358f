"""Datasets and image sets: drawn, downloaded, or used in place; every picture verified and listed."""

from convscope.check import splits_of
from convscope.data.places import listed_files, masks_below
from convscope.data.settings import (
    MADE_IN,
    dataset_settings,
    image_set_settings,
)
from convscope.storage.addresses import (
    download_name,
    downloads_of,
    has_secrets,
    local_file,
    without_secrets,
)

DOWNLOADS = downloads_of(config)
DOWNLOADED = "downloads"


def local_content(url):
    """What a file of this computer holds that an address names; it may be replaced at any time."""
    path = local_file(url)
    return content_of(path) if path and path.is_file() else ""


rule draw_pets:
    """Draw cats and dogs with part masks."""
    output:
        folder=directory("<study>/datasets/{dataset}/drawn"),
        content="<study>/datasets/{dataset}/drawn.sha256",
    log:
        "<study>/logs/draw_pets/{dataset}.log",
    benchmark:
        "<study>/benchmarks/draw_pets/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(DRAWN["drawn_pets"]),
    group:
        together("draw_pets")
    conda:
        "../envs/convscope.yaml"
    threads: threads_for("draw_pets")
    resources:
        mem_mb=megabytes("draw_pets"),
        runtime=minutes("draw_pets"),
    params:
        code=code("draw_pets"),
        per_class=lambda w: argument(
            config["datasets"][w.dataset]["images_per_class"], in_order=False
        ),
        size=lambda w: config["datasets"][w.dataset]["image_size"],
        background=lambda w: config["datasets"][w.dataset]["background"],
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" draw_pets --out {output.folder:q} --content {output.content:q} --counts {params.per_class:q} \
            --size {params.size} --background {params.background} --seed {params.seed} --threads {threads} --log {log:q}
        """


rule draw_produce:
    """Draw fruit and vegetables with part masks."""
    output:
        folder=directory("<study>/datasets/{dataset}/drawn"),
        content="<study>/datasets/{dataset}/drawn.sha256",
    log:
        "<study>/logs/draw_produce/{dataset}.log",
    benchmark:
        "<study>/benchmarks/draw_produce/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(DRAWN["drawn_produce"]),
    group:
        together("draw_produce")
    conda:
        "../envs/convscope.yaml"
    threads: threads_for("draw_produce")
    resources:
        mem_mb=megabytes("draw_produce"),
        runtime=minutes("draw_produce"),
    params:
        code=code("draw_produce"),
        per_class=lambda w: argument(
            config["datasets"][w.dataset]["images_per_class"], in_order=False
        ),
        size=lambda w: config["datasets"][w.dataset]["image_size"],
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" draw_produce --out {output.folder:q} --content {output.content:q} --counts {params.per_class:q} \
            --size {params.size} --seed {params.seed} --threads {threads} --log {log:q}
        """


def secret_url(file):
    """The argument that names the environment's variable with a whole address, where a part of it is secret.

    A command is printed when it fails, and is kept in .snakemake with all parameters; the environment is not.
    """
    url = DOWNLOADS[file].url
    if not has_secrets(url):
        return ""
    name = f"CONVSCOPE_URL_{file[:8]}"
    os.environ[name] = url
    return f"--url-in {name}"


rule download:
    """Download an archive or a photo: resumed, retried, checked."""
    output:
        file="<study>/downloads/{file}",
    log:
        "<study>/logs/download/{file}.log",
    benchmark:
        "<study>/benchmarks/download/{file}.tsv"
    wildcard_constraints:
        file=one_of(map(re.escape, DOWNLOADS)),
    # The nodes of many clusters have no network.
    localrule: True
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("download"),
        runtime=minutes("download"),
    params:
        code=code("download"),
        url=lambda w: without_secrets(DOWNLOADS[w.file].url),
        whole=lambda w: secret_url(w.file),
        sha256=lambda w: DOWNLOADS[w.file].sha256,
        kind=lambda w: DOWNLOADS[w.file].kind,
        content=lambda w: local_content(DOWNLOADS[w.file].url),
        store=lambda w: f"{RESULTS}/downloads/{w.file}",
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" download --url {params.url:q} {params.whole} --sha256={params.sha256:q} --kind={params.kind:q} \
            --store {params.store:q} --out {output.file:q} --log {log:q}
        """


def downloaded(url):
    """Where a study has what it downloads."""
    return f"{STUDY}/{DOWNLOADED}/{download_name(url)}"


def archives(wildcards):
    """The archive of a dataset, and the one of its masks, where they are another."""
    part = config["datasets"][wildcards.dataset]
    masks = {"masks": downloaded(part["masks_url"])} if "masks_url" in part else {}
    return {"archive": downloaded(part["url"]), **masks}


def masks_checksum(part):
    """What the archive of a dataset's masks must have; "" where there is none, or any will do."""
    return (
        DOWNLOADS[download_name(part["masks_url"])].sha256
        if "masks_url" in part
        else ""
    )


rule extract:
    """Extract an archive safely, and that of its masks beside it; members that are corrupt are listed."""
    input:
        unpack(archives),
    output:
        folder=directory("<study>/datasets/{dataset}/extracted"),
        content="<study>/datasets/{dataset}/extracted.sha256",
        listing="<study>/datasets/{dataset}/skipped_members.csv",
    log:
        "<study>/logs/extract/{dataset}.log",
    benchmark:
        "<study>/benchmarks/extract/{dataset}.tsv"
    group:
        together("extract")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("extract"),
        runtime=minutes("extract"),
    params:
        code=code("extract"),
        max_bytes=lambda w: config["datasets"][w.dataset]["max_bytes"],
        max_files=lambda w: config["datasets"][w.dataset]["max_files"],
        sha256=lambda w: DOWNLOADS[
            download_name(config["datasets"][w.dataset]["url"])
        ].sha256,
        content=lambda w: [
            local_content(config["datasets"][w.dataset][key])
            for key in ("url", "masks_url")
            if key in config["datasets"][w.dataset]
        ],
        masks=lambda w, input: option("masks", input.get("masks")),
        masks_sha256=lambda w: masks_checksum(config["datasets"][w.dataset]),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" extract --archive {input.archive:q} --sha256={params.sha256:q} {params.masks} --masks-sha256={params.masks_sha256:q} \
            --out {output.folder:q} \
            --content {output.content:q} --listing {output.listing:q} --max-bytes {params.max_bytes} \
            --max-files {params.max_files} --log {log:q}
        """


def dataset_content(wildcards):
    """Digest of the pictures made for a dataset; the folder itself is known to Snakemake by its time alone."""
    source = config["datasets"][wildcards.dataset]["source"]
    made = {
        "drawn_pets": rules.draw_pets.output.content,
        "drawn_produce": rules.draw_produce.output.content,
        "archive": rules.extract.output.content,
        "path": [],
        "table": [],
    }
    return made[source]


def made_pictures():
    """The folders of pictures that the workflow makes: lost ones are made again, and with them what is made of them."""
    return [
        ancient(f"{STUDY}/datasets/{name}/{MADE_IN[dataset['source']]}")
        for name, dataset in config["datasets"].items()
        if dataset["source"] in MADE_IN
    ]


def dataset_path(wildcards):
    """Where a dataset's pictures lie."""
    dataset = config["datasets"][wildcards.dataset]
    made = MADE_IN.get(dataset["source"])
    if made:
        return f"{STUDY_FOLDER}/datasets/{wildcards.dataset}/{made}"
    return dataset["path"]


def dataset_fingerprint(wildcards):
    """What a user's folder holds, its part masks left out; changes with its content, not with a touch."""
    dataset = config["datasets"][wildcards.dataset]
    if dataset["source"] == "table":
        return contents_of(listed_files(dataset))
    if dataset["source"] != "path":
        return ""
    below = masks_below(dataset)
    return content_of(dataset["path"], "parts.json", *([below] if below else []))


rule dataset:
    """List every picture of a dataset with its split, class and checksum; unreadable ones and what is none with the reason."""
    input:
        made=dataset_content,
    output:
        images="<study>/datasets/{dataset}/images.csv",
        bad="<study>/datasets/{dataset}/bad.csv",
        skipped="<study>/datasets/{dataset}/skipped.csv",
        classes="<study>/datasets/{dataset}/classes.json",
    log:
        "<study>/logs/dataset/{dataset}.log",
    benchmark:
        "<study>/benchmarks/dataset/{dataset}.tsv"
    group:
        together("dataset")
    conda:
        "../envs/convscope.yaml"
    threads: threads_for("dataset")
    resources:
        mem_mb=megabytes("dataset"),
        runtime=minutes("dataset"),
    params:
        code=code("dataset"),
        settings=lambda w: argument(
            dataset_settings(config["datasets"][w.dataset]), in_order=False
        ),
        fingerprint=dataset_fingerprint,
        folder=dataset_path,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" dataset --settings {params.settings:q} --folder={params.folder:q} --images {output.images:q} \
            --bad {output.bad:q} --skipped {output.skipped:q} --classes {output.classes:q} --threads {threads} --log {log:q}
        """


rule contact_sheet:
    """Draw a few pictures of every split and class of a dataset."""
    input:
        images=rules.dataset.output.images,
        bad=rules.dataset.output.bad,
    output:
        sheet=report(
            "<study>/datasets/{dataset}/contact_sheet.png",
            caption="../report/dataset.rst",
            category="Data",
            labels={"dataset": "{dataset}", "figure": "contact sheet"},
        ),
    log:
        "<study>/logs/contact_sheet/{dataset}.log",
    benchmark:
        "<study>/benchmarks/contact_sheet/{dataset}.tsv"
    group:
        together("contact_sheet")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("contact_sheet"),
        runtime=minutes("contact_sheet"),
    params:
        code=code("contact_sheet"),
        splits=lambda w: argument(splits_of(config["datasets"][w.dataset])),
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" contact_sheet --images {input.images:q} --bad {input.bad:q} --splits {params.splits:q} \
            --sheet {output.sheet:q} --seed {params.seed} --log {log:q}
        """


def image_set_sources(wildcards):
    """The tables an image set is chosen from."""
    part = config["image_sets"][wildcards.images]
    if "urls" in part:
        return {"photos": [downloaded(url) for url in part["urls"]]}
    if "dataset" not in part:
        return {}
    folder = f"{STUDY}/datasets/{part['dataset']}"
    sources = {"images": f"{folder}/images.csv", "bad_images": f"{folder}/bad.csv"}
    if "evaluation" in part:
        split = f"{part['dataset']}.{part['split']}"
        sources["predictions"] = (
            f"{STUDY}/evaluation/{part['evaluation']}/{split}/predictions.csv"
        )
        sources["model"] = f"{STUDY}/models/{part['evaluation']}/model.json"
    return sources


def image_set_part(wildcards):
    """What an image set depends on. Not by the inputs: of params that take those, Snakemake notices no change."""
    part = config["image_sets"][wildcards.images]
    files = [
        f"{STUDY_FOLDER}/{DOWNLOADED}/{download_name(url)}"
        for url in part.get("urls", [])
    ]
    return argument(image_set_settings(part, files))


def image_set_fingerprint(wildcards):
    """What the user's files of an image set hold."""
    part = config["image_sets"][wildcards.images]
    places = part.get("files", []) + ([part["folder"]] if "folder" in part else [])
    local = [url for url in part.get("urls", []) if local_file(url)]
    return [content_of(place) for place in places] + [
        local_content(url) for url in local
    ]


checkpoint image_set:
    """Choose the pictures of an image set: from a dataset, a group of an evaluation, files or a folder."""
    input:
        unpack(image_set_sources),
    output:
        table="<study>/image_sets/{images}.csv",
        bad="<study>/image_sets/{images}.bad.csv",
    log:
        "<study>/logs/image_set/{images}.log",
    benchmark:
        "<study>/benchmarks/image_set/{images}.tsv"
    group:
        together("image_set")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("image_set"),
        runtime=minutes("image_set"),
    params:
        code=code("image_set"),
        settings=image_set_part,
        fingerprint=image_set_fingerprint,
        tables=lambda w, input: " ".join(
            option(name.replace("_", "-"), input.get(name))
            for name in ("images", "bad_images", "predictions", "model")
        ),
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" image_set --settings {params.settings:q} {params.tables} --out {output.table:q} --bad {output.bad:q} \
            --seed {params.seed} --threads {threads} --log {log:q}
        """
