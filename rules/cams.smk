"""Class activation maps: where in an image the evidence for a class lies."""


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
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("cams")
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        code=code("gap_head"),
        settings=lambda w: json.dumps(gap_head_settings(w.model), sort_keys=True),
        images=lambda w, input: (
            f"--images {input.images}" if input.get("images") else ""
        ),
    shell:
        r"""
        python -m scripts.gap_head --model {input.model:q} --spec {input.spec:q} {params.images} \
            --settings {params.settings:q} --out {output.head:q} --report {output.report:q} --threads {threads} --log {log:q}
        """


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
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("cams")
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        code=code("cam"),
        settings=cam_settings,
        head=lambda w, input: f"--gap-head {input.head}" if input.get("head") else "",
        first=lambda w: int(w.shard) * config["cams"][w.model]["shard"],
        rows=lambda w: config["cams"][w.model]["shard"],
    shell:
        r"""
        python -m scripts.cam --model {input.model:q} --spec {input.spec:q} --images {input.images:q} --first {params.first} \
            --count {params.rows} --settings {params.settings:q} {params.head} --out {output.shard:q} \
            --threads {threads} --log {log:q}
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
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code("gather"),
    shell:
        r"""
        python -m scripts.gather --shards {input.shards:q} --part {wildcards.method} --out {output.whole:q} --log {log:q}
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
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("cams")
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        code=code("overlays"),
        settings=settings("cams", "{model}", only=["colormap", "scale"]),
    shell:
        r"""
        python -m scripts.overlays --maps {input.maps:q} --images {input.images:q} --method {wildcards.method} \
            --settings {params.settings:q} --table {output.table:q} --sheet {output.sheet:q} --out {output.folder:q} \
            --threads {threads} --log {log:q}
        """
