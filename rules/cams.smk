"""Class activation maps: where in an image the evidence for a class lies."""

from convscope.cams import settings as cam_settings
from convscope.cams.names import pass_of
from convscope.check import gap_head_of


def gap_head_settings(model):
    """The layer of a model's GAP head, and the pictures to train and test one with, where any are named."""
    head = gap_head_of(model, config) or {}
    return {"layer": config["cams"][model].get("layer"), **head}


def gap_head_images(wildcards):
    """The pictures to train a GAP head with, where any are named."""
    dataset = gap_head_settings(wildcards.model).get("dataset")
    return {"images": f"{STUDY}/datasets/{dataset}/images.csv"} if dataset else {}


rule gap_head:
    """Give a model the head that CAM needs: its own, or one trained on frozen features; report the accuracy it costs."""
    input:
        unpack(gap_head_images),
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
    output:
        head="<study>/cams/{model}/gap_head.h5",
        report="<study>/cams/{model}/gap_head.json",
    log:
        "<study>/logs/gap_head/{model}.log",
    benchmark:
        "<study>/benchmarks/gap_head/{model}.tsv"
    group:
        together("gap_head")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("cams")
    resources:
        mem_mb=megabytes("gap_head"),
        runtime=minutes("gap_head"),
        gpu=GPU,
    params:
        code=code("gap_head"),
        backend=BACKEND,
        settings=lambda w: argument(gap_head_settings(w.model)),
        images=lambda w, input: option("images", input.get("images")),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" gap_head --model {input.model:q} --spec {input.spec:q} {params.images} \
            --settings {params.settings:q} --out {output.head:q} --report {output.report:q} --backend {params.backend} --threads {threads} --log {log:q}
        """


def cam_gap_head(wildcards):
    """The head that CAM takes, where CAM is among the methods."""
    needed = cam_settings.needs_head(config["cams"][wildcards.model], wildcards.family)
    return {"head": rules.gap_head.output.head} if needed else {}


rule cam:
    """Compute the raw maps of one shard of an image set; one forward pass feeds all methods that can share it."""
    input:
        unpack(cam_gap_head),
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        images="<study>/image_sets/{images}.csv",
    output:
        shard="<study>/cams/{model}/{images}/shards/{family}.{shard}.h5",
    log:
        "<study>/logs/cam/{model}.{images}.{family}.{shard}.log",
    benchmark:
        "<study>/benchmarks/cam/{model}.{images}.{family}.{shard}.tsv"
    group:
        together("cam")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("cams")
    resources:
        mem_mb=megabytes("cam"),
        runtime=minutes("cam"),
        gpu=GPU,
    params:
        code=code("cam"),
        backend=BACKEND,
        settings=lambda w: argument(
            cam_settings.map_settings(config["cams"][w.model], w.family)
        ),
        head=lambda w, input: option("gap-head", input.get("head")),
        first=lambda w: int(w.shard) * config["cams"][w.model]["shard"],
        rows=lambda w: config["cams"][w.model]["shard"],
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" cam --model {input.model:q} --spec {input.spec:q} --images {input.images:q} --first {params.first} \
            --count {params.rows} --settings {params.settings:q} {params.head} --out {output.shard:q} \
            --backend {params.backend} --threads {threads} --log {log:q}
        """


rule gather_cam:
    """Join one method's maps of all shards of an image set."""
    input:
        shards=lambda w: expand(
            rules.cam.output.shard,
            model=w.model,
            images=w.images,
            family=pass_of(w.method),
            shard=shards("cams", w.model, w.images),
        ),
    output:
        whole="<study>/cams/{model}/{images}/{method}.h5",
    log:
        "<study>/logs/gather_cam/{model}.{images}.{method}.log",
    benchmark:
        "<study>/benchmarks/gather_cam/{model}.{images}.{method}.tsv"
    wildcard_constraints:
        method=one_of(CAMS),
    group:
        together("gather_cam")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("gather_cam"),
        runtime=minutes("gather_cam"),
    params:
        code=code("gather"),
        shards=lambda w, input: arguments_of(input.shards),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" gather --shards {params.shards:q} --part {wildcards.method} --out {output.whole:q} --log {log:q}
        """


rule overlays:
    """Draw the maps over their images, on contact sheets, and list what each picture shows."""
    input:
        maps=rules.gather_cam.output.whole,
        images="<study>/image_sets/{images}.csv",
    output:
        folder=directory("<study>/cams/{model}/{images}/{method}"),
        table="<study>/cams/{model}/{images}/{method}.csv",
        sheet=report(
            "<study>/cams/{model}/{images}/{method}_sheet.png",
            caption="../report/cams.rst",
            category="Class activation maps",
            labels={"model": "{model}", "images": "{images}", "method": "{method}"},
        ),
    log:
        "<study>/logs/overlays/{model}.{images}.{method}.log",
    benchmark:
        "<study>/benchmarks/overlays/{model}.{images}.{method}.tsv"
    wildcard_constraints:
        method=one_of(CAMS),
    group:
        together("overlays")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("cams")
    resources:
        mem_mb=megabytes("overlays"),
        runtime=minutes("overlays"),
    params:
        code=code("overlays"),
        settings=settings("cams", "{model}", only=["colormap", "scale"]),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" overlays --maps {input.maps:q} --images {input.images:q} --method {wildcards.method} \
            --settings {params.settings:q} --table {output.table:q} --sheet {output.sheet:q} --out {output.folder:q} \
            --threads {threads} --log {log:q}
        """


def cam_figures():
    """The maps and overlays of every model and image set that maps are asked for, method by method; the heads that CAM took."""
    return [
        file
        for model, images in pairs("cams")
        for method in CAMS
        if method in config["cams"][model]["methods"]
        for rule in (rules.gather_cam, rules.overlays)
        for file in files_of(rule, model=model, images=images, method=method)
    ] + [
        rules.gap_head.output.report.format(model=model)
        for model, part in config["cams"].items()
        if "cam" in part["methods"]
    ]
