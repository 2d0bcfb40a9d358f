"""Class activation maps: where in an image the evidence for a class lies."""


rule cam:
    """Compute the raw maps of one shard of an image set."""
    input:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        images="<study>/image_sets/{images}.csv",
    output:
        shard="<study>/cams/{model}/{images}/shards/{method}.{shard}.h5",
    log:
        "<study>/logs/cam/{model}.{images}.{method}.{shard}.log",
    benchmark:
        "<study>/benchmarks/cam/{model}.{images}.{method}.{shard}.tsv"
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("cams")
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        code=code("cam"),
        settings=settings(
            "cams", "{model}", without=["images", "shard", "colormap", "scale"]
        ),
        first=lambda w: int(w.shard) * config["cams"][w.model]["shard"],
        rows=lambda w: config["cams"][w.model]["shard"],
    shell:
        r"""
        python -m scripts.cam --model {input.model:q} --spec {input.spec:q} --images {input.images:q} --first {params.first} \
            --count {params.rows} --method {wildcards.method} --settings {params.settings:q} --out {output.shard:q} \
            --threads {threads} --log {log:q}
        """


rule gather_cam:
    """Join the shards of an image set's maps."""
    input:
        shards=lambda w: expand(
            rules.cam.output.shard,
            shard=shards("cams", w.model, w.images),
            allow_missing=True,
        ),
    output:
        whole="<study>/cams/{model}/{images}/{method}.h5",
    log:
        "<study>/logs/gather_cam/{model}.{images}.{method}.log",
    benchmark:
        "<study>/benchmarks/gather_cam/{model}.{images}.{method}.tsv"
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code("gather_cam"),
    shell:
        r"""
        python -m scripts.gather_cam --shards {input.shards:q} --out {output.whole:q} --log {log:q}
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
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        code=code("overlays"),
        settings=settings(
            "cams", "{model}", without=["images", "shard", "class", "layer", "batch"]
        ),
    shell:
        r"""
        python -m scripts.overlays --maps {input.maps:q} --images {input.images:q} --settings {params.settings:q} \
            --table {output.table:q} --sheet {output.sheet:q} --out {output.folder:q} --log {log:q}
        """
