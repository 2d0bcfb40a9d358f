"""Datasets and image sets: drawn, downloaded, or used in place; every picture verified and listed."""


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
        background=lambda w: config["datasets"][w.dataset]["background"],
        seed=SEED,
    shell:
        r"""
        python -m scripts.draw_pets --out {output.folder:q} --content {output.content:q} --counts {params.per_class:q} \
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
    conda:
        "../envs/convscope.yaml"
    threads: 8
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        code=code("draw_produce"),
        per_class=lambda w: json.dumps(
            config["datasets"][w.dataset]["images_per_class"]
        ),
        size=lambda w: config["datasets"][w.dataset]["image_size"],
        seed=SEED,
    shell:
        r"""
        python -m scripts.draw_produce --out {output.folder:q} --content {output.content:q} --counts {params.per_class:q} \
            --size {params.size} --seed {params.seed} --threads {threads} --log {log:q}
        """


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
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=240,
    params:
        code=code("download"),
        url=lambda w: without_secrets(DOWNLOADS[w.file].url),
        whole=lambda w: secret_url(w.file),
        sha256=lambda w: DOWNLOADS[w.file].sha256,
        kind=lambda w: DOWNLOADS[w.file].kind,
        content=lambda w: local_content(DOWNLOADS[w.file].url),
        store=lambda w: f"results/downloads/{w.file}",
    shell:
        r"""
        python -m scripts.download --url {params.url:q} {params.whole} --sha256={params.sha256:q} --kind={params.kind:q} \
            --store {params.store:q} --out {output.file:q} --log {log:q}
        """


rule extract:
    """Extract an archive safely; members that are corrupt are listed."""
    input:
        archive=lambda w: downloaded(config["datasets"][w.dataset]["url"]),
    output:
        folder=directory("<study>/datasets/{dataset}/extracted"),
        content="<study>/datasets/{dataset}/extracted.sha256",
        listing="<study>/datasets/{dataset}/skipped_members.csv",
    log:
        "<study>/logs/extract/{dataset}.log",
    benchmark:
        "<study>/benchmarks/extract/{dataset}.tsv"
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
        sha256=lambda w: DOWNLOADS[
            download_name(config["datasets"][w.dataset]["url"])
        ].sha256,
        content=lambda w: local_content(config["datasets"][w.dataset]["url"]),
    shell:
        r"""
        python -m scripts.extract --archive {input.archive:q} --sha256={params.sha256:q} --out {output.folder:q} \
            --content {output.content:q} --listing {output.listing:q} --max-bytes {params.max_bytes} \
            --max-files {params.max_files} --log {log:q}
        """


rule dataset:
    """List every picture of a dataset with its split, class and checksum; unreadable ones with the reason."""
    input:
        made=dataset_content,
    output:
        images="<study>/datasets/{dataset}/images.csv",
        bad="<study>/datasets/{dataset}/bad.csv",
        classes="<study>/datasets/{dataset}/classes.json",
    log:
        "<study>/logs/dataset/{dataset}.log",
    benchmark:
        "<study>/benchmarks/dataset/{dataset}.tsv"
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
    shell:
        r"""
        python -m scripts.dataset --settings {params.settings:q} --folder {params.folder:q} --images {output.images:q} \
            --bad {output.bad:q} --classes {output.classes:q} --threads {threads} --log {log:q}
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
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code("contact_sheet"),
        splits=splits_in_order,
        seed=SEED,
    shell:
        r"""
        python -m scripts.contact_sheet --images {input.images:q} --bad {input.bad:q} --splits {params.splits:q} \
            --sheet {output.sheet:q} --seed {params.seed} --log {log:q}
        """


rule masks:
    """List the part masks of a dataset's pictures: judging alone looks at them."""
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
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=20,
    params:
        code=code("masks"),
        settings=masks_settings,
        fingerprint=masks_fingerprint,
        folder=dataset_path,
    shell:
        r"""
        python -m scripts.masks --settings {params.settings:q} --folder {params.folder:q} --images {input.images:q} \
            --masks {output.masks:q} --parts {output.parts:q} --log {log:q}
        """


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
        python -m scripts.image_set --settings - {params.tables} --out {output.table:q} --bad {output.bad:q} \
            --seed {params.seed} --threads {threads} --log {log:q} <<<{params.settings:q}
        """
