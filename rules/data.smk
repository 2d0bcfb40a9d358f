"""Datasets and image sets: drawn, downloaded, or used in place; every picture verified and listed."""


def download_name(url):
    """Name of a downloaded file: studies that want the same address share it, others never collide."""
    name = re.sub(
        r"[^A-Za-z0-9._-]", "_", url.partition("?")[0].rstrip("/").rpartition("/")[2]
    )[-60:]
    return f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}"


def downloads():
    """What the study downloads: file name -> address and, where known, checksum."""
    archives = [
        part for part in config["datasets"].values() if part["source"] == "archive"
    ]
    found = {
        download_name(part["url"]): (part["url"], part.get("sha256", ""))
        for part in archives
    }
    for part in config["image_sets"].values():
        found.update({download_name(url): (url, "") for url in part.get("urls", [])})
    return found


DOWNLOADS = downloads()


def dataset_content(wildcards):
    """Digest of the pictures that a rule makes for a dataset; the folder itself is known to Snakemake by its time alone."""
    source = config["datasets"][wildcards.dataset]["source"]
    made = {"drawn_pets": rules.draw_pets.output.content, "archive": rules.extract.output.content, "path": []}
    return made[source]


def dataset_path(wildcards):
    """Where a dataset's pictures lie."""
    dataset = config["datasets"][wildcards.dataset]
    made = {"drawn_pets": "drawn", "archive": "extracted"}.get(dataset["source"])
    return (
        f"{STUDY}/datasets/{wildcards.dataset}/{made}"
        if made
        else os.path.expanduser(dataset["path"])
    )


def dataset_settings(wildcards):
    """A dataset's part of the config as its script wants it: drawn pictures already lie in a folder a split."""
    dataset = dict(config["datasets"][wildcards.dataset])
    if dataset["source"] == "drawn_pets":
        dataset["splits"] = {split: split for split in dataset.pop("images_per_class")}
    return json.dumps(dataset)


def dataset_fingerprint(wildcards):
    """What a user's folder holds; changes with its content, not with a touch."""
    dataset = config["datasets"][wildcards.dataset]
    return content_of(dataset["path"]) if dataset["source"] == "path" else ""


def image_set_sources(wildcards):
    """The tables an image set is chosen from."""
    part = config["image_sets"][wildcards.images]
    if "urls" in part:
        return {
            "photos": [
                f"results/downloads/{download_name(url)}" for url in part["urls"]
            ]
        }
    if "dataset" not in part:
        return {}
    folder = f"{STUDY}/datasets/{part['dataset']}"
    sources = {"images": f"{folder}/images.csv", "bad_images": f"{folder}/bad.csv"}
    if "evaluation" in part:
        split = f"{part['dataset']}.{part['split']}"
        sources["predictions"] = (
            f"{STUDY}/evaluation/{part['evaluation']}/{split}/predictions.csv"
        )
    return sources


def image_set_arguments(wildcards):
    """The same tables as arguments."""
    tables = {
        key: path
        for key, path in image_set_sources(wildcards).items()
        if key != "photos"
    }
    return " ".join(
        f"--{name.replace('_', '-')} {path}" for name, path in tables.items()
    )


def image_set_settings(wildcards):
    """An image set's part of the config as its script wants it: what is downloaded is a file by then."""
    part = dict(config["image_sets"][wildcards.images])
    if part.pop("urls", None):
        part["files"] = image_set_sources(wildcards)["photos"]
    return json.dumps(part)


def image_set_fingerprint(wildcards):
    """What the user's files of an image set hold."""
    part = config["image_sets"][wildcards.images]
    places = part.get("files", []) + ([part["folder"]] if "folder" in part else [])
    return [content_of(place) for place in places]


rule draw_pets:
    """Draw cats and dogs with part masks."""
    output:
        folder=directory(STUDY + "/datasets/{dataset}/drawn"),
        content=STUDY + "/datasets/{dataset}/drawn.sha256",
    log:
        STUDY + "/logs/draw_pets/{dataset}.log",
    benchmark:
        STUDY + "/benchmarks/draw_pets/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(DRAWN),
    conda:
        "../envs/convscope.yaml"
    threads: 8
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        code=code("draw_pets"),
        per_class=lambda w: json.dumps(
            config["datasets"][w.dataset]["images_per_class"]
        ),
        size=lambda w: config["datasets"][w.dataset]["image_size"],
        seed=SEED,
    shell:
        r"""
        python -m scripts.draw_pets --out {output.folder:q} --content {output.content:q} --counts {params.per_class:q} \
            --size {params.size} --seed {params.seed} --threads {threads} --log {log:q}
        """


rule download:
    """Download an archive or a photo: resumed, retried, checked."""
    output:
        file="results/downloads/{file}",
    log:
        STUDY + "/logs/download/{file}.log",
    benchmark:
        STUDY + "/benchmarks/download/{file}.tsv"
    wildcard_constraints:
        file=one_of(map(re.escape, DOWNLOADS)),
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=240,
    params:
        code=code("download"),
        url=lambda w: DOWNLOADS[w.file][0],
        sha256=lambda w: DOWNLOADS[w.file][1],
    shell:
        r"""
        python -m scripts.download --url {params.url:q} --sha256={params.sha256:q} --out {output.file:q} --log {log:q}
        """


rule extract:
    """Extract an archive safely; members that are corrupt are listed."""
    input:
        archive=lambda w: f"results/downloads/{download_name(config['datasets'][w.dataset]['url'])}",
    output:
        folder=directory(STUDY + "/datasets/{dataset}/extracted"),
        content=STUDY + "/datasets/{dataset}/extracted.sha256",
        listing=STUDY + "/datasets/{dataset}/skipped_members.csv",
    log:
        STUDY + "/logs/extract/{dataset}.log",
    benchmark:
        STUDY + "/benchmarks/extract/{dataset}.tsv"
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        code=code("extract"),
        max_bytes=lambda w: config["datasets"][w.dataset]["max_bytes"],
        max_files=lambda w: config["datasets"][w.dataset]["max_files"],
    shell:
        r"""
        python -m scripts.extract --archive {input.archive:q} --out {output.folder:q} --content {output.content:q} \
            --listing {output.listing:q} --max-bytes {params.max_bytes} --max-files {params.max_files} --log {log:q}
        """


rule dataset:
    """List every picture of a dataset with its split, class and checksum; unreadable ones with the reason."""
    input:
        made=dataset_content,
    output:
        images=STUDY + "/datasets/{dataset}/images.csv",
        bad=STUDY + "/datasets/{dataset}/bad.csv",
        classes=STUDY + "/datasets/{dataset}/classes.json",
        sheet=report(
            STUDY + "/datasets/{dataset}/contact_sheet.png",
            caption="../report/dataset.rst",
            category="Data",
            labels={"dataset": "{dataset}", "figure": "contact sheet"},
        ),
    log:
        STUDY + "/logs/dataset/{dataset}.log",
    benchmark:
        STUDY + "/benchmarks/dataset/{dataset}.tsv"
    conda:
        "../envs/convscope.yaml"
    threads: 8
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        code=code("dataset"),
        settings=dataset_settings,
        fingerprint=dataset_fingerprint,
        folder=dataset_path,
        seed=SEED,
    shell:
        r"""
        python -m scripts.dataset --settings {params.settings:q} --folder {params.folder:q} --images {output.images:q} \
            --bad {output.bad:q} --classes {output.classes:q} --sheet {output.sheet:q} \
            --seed {params.seed} --threads {threads} --log {log:q}
        """


checkpoint image_set:
    """Choose the pictures of an image set: from a dataset, a group of an evaluation, files or a folder."""
    input:
        unpack(image_set_sources),
    output:
        table=STUDY + "/image_sets/{images}.csv",
        bad=STUDY + "/image_sets/{images}.bad.csv",
    log:
        STUDY + "/logs/image_set/{images}.log",
    benchmark:
        STUDY + "/benchmarks/image_set/{images}.tsv"
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=20,
    params:
        code=code("image_set"),
        settings=image_set_settings,
        fingerprint=image_set_fingerprint,
        tables=image_set_arguments,
        seed=SEED,
    shell:
        r"""
        python -m scripts.image_set --settings {params.settings:q} {params.tables} --out {output.table:q} --bad {output.bad:q} \
            --seed {params.seed} --threads {threads} --log {log:q}
        """
