"""Attributions: which pixels the score of a class hangs on, method by method, and all of them side by side."""

from convscope.attributions import settings as attribution_settings
from convscope.attributions.names import chosen_methods


rule train_autoencoder:
    """Train the auto-encoder that keeps a contrastive explanation among pictures like those of a dataset."""
    input:
        spec="<study>/models/{model}/model.json",
        images="<study>/datasets/{dataset}/images.csv",
    output:
        model="<study>/autoencoders/{model}.{dataset}.keras",
        history="<study>/autoencoders/{model}.{dataset}.csv",
        sheet="<study>/autoencoders/{model}.{dataset}.png",
    log:
        "<study>/logs/train_autoencoder/{model}.{dataset}.log",
    benchmark:
        "<study>/benchmarks/train_autoencoder/{model}.{dataset}.tsv"
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("attributions")
    resources:
        mem_mb=megabytes("train_autoencoder"),
        runtime=minutes("train_autoencoder"),
        gpu=GPU,
    params:
        code=code("train_autoencoder"),
        backend=BACKEND,
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" train_autoencoder --spec {input.spec:q} --images {input.images:q} --model {output.model:q} \
            --history {output.history:q} --sheet {output.sheet:q} --seed {params.seed} --backend {params.backend} --threads {threads} --log {log:q}
        """


def autoencoder(wildcards):
    """The auto-encoder of a contrastive method, where its settings name a dataset for one."""
    own = config["attributions"][wildcards.model].get(wildcards.method, {})
    dataset = own.get("autoencoder")
    if not dataset:
        return {}
    trained = rules.train_autoencoder.output.model
    return {"autoencoder": trained.format(model=wildcards.model, dataset=dataset)}


rule attribution:
    """Compute the raw maps of one method for one shard of an image set."""
    input:
        unpack(autoencoder),
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        images="<study>/image_sets/{images}.csv",
    output:
        shard="<study>/attributions/{model}/{images}/shards/{method}.{shard}.h5",
    log:
        "<study>/logs/attribution/{model}.{images}.{method}.{shard}.log",
    benchmark:
        "<study>/benchmarks/attribution/{model}.{images}.{method}.{shard}.tsv"
    wildcard_constraints:
        method=one_of(ATTRIBUTIONS),
    group:
        together("attribution")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("attributions")
    resources:
        mem_mb=megabytes("attribution"),
        runtime=minutes("attribution"),
        gpu=GPU,
    params:
        code=code("attribution"),
        backend=BACKEND,
        settings=lambda w: argument(
            attribution_settings.map_settings(
                config["attributions"][w.model], w.method
            )
        ),
        first=lambda w: int(w.shard) * config["attributions"][w.model]["shard"],
        rows=lambda w: config["attributions"][w.model]["shard"],
        autoencoder=lambda w, input: option("autoencoder", input.get("autoencoder")),
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" attribution --model {input.model:q} --spec {input.spec:q} --images {input.images:q} \
            --first {params.first} --count {params.rows} --method {wildcards.method} --settings {params.settings:q} \
            {params.autoencoder} --seed {params.seed} --out {output.shard:q} --backend {params.backend} --threads {threads} --log {log:q}
        """


rule gather_attribution:
    """Join the shards of an image set's maps."""
    input:
        shards=lambda w: expand(
            rules.attribution.output.shard,
            shard=shards("attributions", w.model, w.images),
            allow_missing=True,
        ),
    output:
        whole="<study>/attributions/{model}/{images}/{method}.h5",
    log:
        "<study>/logs/gather_attribution/{model}.{images}.{method}.log",
    benchmark:
        "<study>/benchmarks/gather_attribution/{model}.{images}.{method}.tsv"
    wildcard_constraints:
        method=one_of(ATTRIBUTIONS),
    group:
        together("gather_attribution")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("gather_attribution"),
        runtime=minutes("gather_attribution"),
    params:
        code=code("gather"),
        shards=lambda w, input: arguments_of(input.shards),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" gather --shards {params.shards:q} --out {output.whole:q} --log {log:q}
        """


def attribution_style(wildcards):
    """What the pictures of attribution maps depend on."""
    return argument(
        attribution_settings.style_settings(config["attributions"][wildcards.model])
    )


rule attribution_figures:
    """Draw one method's maps, alone and over their images, on contact sheets, and list what each picture shows."""
    input:
        maps=rules.gather_attribution.output.whole,
    output:
        folder=directory("<study>/attributions/{model}/{images}/{method}"),
        table="<study>/attributions/{model}/{images}/{method}.csv",
        sheet=report(
            "<study>/attributions/{model}/{images}/{method}_sheet.png",
            caption="../report/attributions.rst",
            category="Attributions",
            labels={"model": "{model}", "images": "{images}", "method": "{method}"},
        ),
    log:
        "<study>/logs/attribution_figures/{model}.{images}.{method}.log",
    benchmark:
        "<study>/benchmarks/attribution_figures/{model}.{images}.{method}.tsv"
    wildcard_constraints:
        method=one_of(ATTRIBUTIONS),
    group:
        together("attribution_figures")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("attribution_figures"),
        runtime=minutes("attribution_figures"),
    params:
        code=code("attribution_figures"),
        settings=attribution_style,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" attribution_figures --maps {input.maps:q} --settings {params.settings:q} --table {output.table:q} \
            --sheet {output.sheet:q} --out {output.folder:q} --log {log:q}
        """


def attribution_methods(model):
    """The attribution methods chosen for a model, in the order in which they are shown."""
    return chosen_methods(config["attributions"][model]["methods"])


rule side_by_side:
    """Draw each image of a set with its label, its prediction and every chosen method: a row a class explained."""
    input:
        maps=lambda w: expand(
            rules.gather_attribution.output.whole,
            method=attribution_methods(w.model),
            allow_missing=True,
        ),
    output:
        folder=directory("<study>/attributions/{model}/{images}/side_by_side"),
        table="<study>/attributions/{model}/{images}/side_by_side.csv",
        first=report(
            "<study>/attributions/{model}/{images}/side_by_side.png",
            caption="../report/side_by_side.rst",
            category="Attributions",
            labels={
                "model": "{model}",
                "images": "{images}",
                "method": "side by side",
            },
        ),
    log:
        "<study>/logs/side_by_side/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/side_by_side/{model}.{images}.tsv"
    group:
        together("side_by_side")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("side_by_side"),
        runtime=minutes("side_by_side"),
    params:
        code=code("side_by_side"),
        settings=attribution_style,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" side_by_side --maps {input.maps:q} --settings {params.settings:q} --table {output.table:q} \
            --first {output.first:q} --out {output.folder:q} --log {log:q}
        """


def attribution_figures():
    """Maps and pictures of every method of every model and image set that is explained, alone and side by side."""
    alone = [
        file
        for model, images in pairs("attributions")
        for method in attribution_methods(model)
        for rule in (rules.gather_attribution, rules.attribution_figures)
        for file in files_of(rule, model=model, images=images, method=method)
    ]
    beside = [
        file
        for model, images in pairs("attributions")
        for file in files_of(rules.side_by_side, model=model, images=images)
    ]
    return alone + beside
