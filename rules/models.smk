"""Models: trained, or brought from elsewhere, to one canonical form; their layers; how well they classify."""


def model_fingerprint(wildcards):
    """What the files of a model on disk hold."""
    model = config["models"][wildcards.model]
    candidates = [model.get(key) for key in ("path", "preset", "weights")]
    if model.get("folder"):
        candidates.append(os.path.join(model["folder"], model["preset"]))
    return [
        content_of(place)
        for place in candidates
        if place and os.path.exists(os.path.expanduser(place))
    ]


rule train_model:
    """Train a network from scratch; killed, it goes on after the last finished epoch."""
    input:
        images=lambda w: f"{STUDY}/datasets/{config['models'][w.model]['dataset']}/images.csv",
        classes=lambda w: f"{STUDY}/datasets/{config['models'][w.model]['dataset']}/classes.json",
    output:
        model=STUDY + "/models/{model}/model.keras",
        spec=STUDY + "/models/{model}/model.json",
        summary=STUDY + "/models/{model}/summary.txt",
        history=STUDY + "/models/{model}/history.csv",
        training=STUDY + "/models/{model}/training.json",
        curves=report(
            STUDY + "/models/{model}/curves.png",
            caption="../report/curves.rst",
            category="Models",
            labels={"model": "{model}", "figure": "training curves"},
        ),
    log:
        STUDY + "/logs/train_model/{model}.log",
    benchmark:
        STUDY + "/benchmarks/train_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(TRAINED),
    conda:
        "../envs/convscope.yaml"
    threads: lambda w: config["models"][w.model]["threads"]
    resources:
        mem_mb=4000,
        runtime=1440,
        gpu=0,
    params:
        code=code("train_model"),
        settings=settings("models", "{model}"),
        state=STUDY + "/models/{model}/state",
        seed=SEED,
    shell:
        r"""
        python -m scripts.train_model --name {wildcards.model} --images {input.images:q} --classes {input.classes:q} \
            --settings {params.settings:q} --state {params.state:q} --model {output.model:q} --spec {output.spec:q} \
            --summary {output.summary:q} --history {output.history:q} --training {output.training:q} \
            --curves {output.curves:q} --seed {params.seed} --threads {threads} --log {log:q}
        """


rule import_model:
    """Bring a preset, a saved file or an application to the canonical form."""
    output:
        model=STUDY + "/models/{model}/model.keras",
        spec=STUDY + "/models/{model}/model.json",
        summary=STUDY + "/models/{model}/summary.txt",
    log:
        STUDY + "/logs/import_model/{model}.log",
    benchmark:
        STUDY + "/benchmarks/import_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(set(config["models"]) - set(TRAINED)),
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=code("import_model"),
        settings=settings("models", "{model}"),
        fingerprint=model_fingerprint,
        seed=SEED,
    shell:
        r"""
        python -m scripts.import_model --name {wildcards.model} --settings {params.settings:q} --model {output.model:q} \
            --spec {output.spec:q} --summary {output.summary:q} --seed {params.seed} --threads {threads} --log {log:q}
        """


checkpoint layers:
    """List the conv and pooling layers of a model."""
    input:
        model=STUDY + "/models/{model}/model.keras",
        spec=STUDY + "/models/{model}/model.json",
    output:
        table=STUDY + "/models/{model}/layers.csv",
    log:
        STUDY + "/logs/layers/{model}.log",
    benchmark:
        STUDY + "/benchmarks/layers/{model}.tsv"
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code("layers"),
    shell:
        r"""
        python -m scripts.layers --model {input.model:q} --spec {input.spec:q} --table {output.table:q} \
            --threads {threads} --log {log:q}
        """


rule evaluate:
    """Predict every image of a split; write the table of predictions and the metrics."""
    input:
        model=STUDY + "/models/{model}/model.keras",
        spec=STUDY + "/models/{model}/model.json",
        images=STUDY + "/datasets/{dataset}/images.csv",
    output:
        predictions=STUDY + "/evaluation/{model}/{dataset}.{split}/predictions.csv",
        metrics=STUDY + "/evaluation/{model}/{dataset}.{split}/metrics.json",
    log:
        STUDY + "/logs/evaluate/{model}.{dataset}.{split}.log",
    benchmark:
        STUDY + "/benchmarks/evaluate/{model}.{dataset}.{split}.tsv"
    conda:
        "../envs/convscope.yaml"
    threads: 2
    resources:
        mem_mb=2500,
        runtime=120,
    params:
        code=code("evaluate"),
    shell:
        r"""
        python -m scripts.evaluate --model {input.model:q} --spec {input.spec:q} --images {input.images:q} \
            --split {wildcards.split} --predictions {output.predictions:q} --metrics {output.metrics:q} \
            --threads {threads} --log {log:q}
        """


def trained_curves():
    """Training curves of every trained model."""
    return expand(rules.train_model.output.curves, model=TRAINED)


def evaluated():
    """Metrics of every model on every split it is tested on."""
    return [
        rules.evaluate.output.metrics.format(
            model=model, dataset=part.split("/")[0], split=part.split("/")[1]
        )
        for model, parts in config["evaluations"].items()
        for part in parts
    ]
