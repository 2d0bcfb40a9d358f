"""Activations of every conv and pooling layer, and their pictures."""


rule activations:
    """Write what every layer answers to one shard of an image set."""
    input:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        layers="<study>/models/{model}/layers.csv",
        images="<study>/image_sets/{images}.csv",
    output:
        shard="<study>/activations/{model}/{images}/shards/{shard}.h5",
    log:
        "<study>/logs/activations/{model}.{images}.{shard}.log",
    benchmark:
        "<study>/benchmarks/activations/{model}.{images}.{shard}.tsv"
    group:
        together("activations")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("activations")
    resources:
        mem_mb=megabytes("activations"),
        runtime=minutes("activations"),
        gpu=GPU,
    params:
        code=code("activations"),
        backend=BACKEND,
        settings=settings(
            "activations", "{model}", without=["images", "shard", "sheets", "channel"]
        ),
        first=lambda w: int(w.shard) * config["activations"][w.model]["shard"],
        rows=lambda w: config["activations"][w.model]["shard"],
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" activations --model {input.model:q} --spec {input.spec:q} --layers {input.layers:q} \
            --images {input.images:q} --first {params.first} --count {params.rows} --settings {params.settings:q} \
            --out {output.shard:q} --backend {params.backend} --threads {threads} --log {log:q}
        """


rule gather_activations:
    """Join the shards of an image set's activations without copying them."""
    input:
        shards=lambda w: expand(
            rules.activations.output.shard,
            shard=shards("activations", w.model, w.images),
            allow_missing=True,
        ),
    output:
        whole="<study>/activations/{model}/{images}/activations.h5",
    log:
        "<study>/logs/gather_activations/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/gather_activations/{model}.{images}.tsv"
    group:
        together("gather_activations")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("gather_activations"),
        runtime=minutes("gather_activations"),
    params:
        code=code("gather"),
        shards=lambda w, input: arguments_of(input.shards),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" gather --virtual --shards {params.shards:q} --out {output.whole:q} --log {log:q}
        """


rule channel_sheets:
    """Draw every channel of every layer for chosen images, one channel alone, and sparsity by depth."""
    input:
        activations=rules.gather_activations.output.whole,
        shards=rules.gather_activations.input.shards,
        spec="<study>/models/{model}/model.json",
        layers="<study>/models/{model}/layers.csv",
    output:
        sheets=directory("<study>/activations/{model}/{images}/sheets"),
        sparsity="<study>/activations/{model}/{images}/sparsity.csv",
        figure=report(
            "<study>/activations/{model}/{images}/sparsity.png",
            caption="../report/sparsity.rst",
            category="Activations",
            labels={
                "model": "{model}",
                "images": "{images}",
                "figure": "sparsity by depth",
            },
        ),
    log:
        "<study>/logs/channel_sheets/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/channel_sheets/{model}.{images}.tsv"
    group:
        together("channel_sheets")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("channel_sheets"),
        runtime=minutes("channel_sheets"),
    params:
        code=code("channel_sheets"),
        settings=settings(
            "activations", "{model}", without=["images", "shard", "layers", "dtype"]
        ),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" channel_sheets --activations {input.activations:q} --spec {input.spec:q} --layers {input.layers:q} \
            --settings {params.settings:q} --sheets {output.sheets:q} --sparsity {output.sparsity:q} \
            --sparsity-figure {output.figure:q} --log {log:q}
        """


def activation_figures():
    """The pictures of every model's activations, and the numbers that they are of."""
    return [
        file
        for model, images in pairs("activations")
        for rule in (rules.gather_activations, rules.channel_sheets)
        for file in files_of(rule, model=model, images=images)
    ]
