"""Comparisons: several trainings of several networks, and which of their differences are more than chance."""

from convscope.comparisons.selection import (
    layers_by_depth,
    pattern_preset,
    trainings,
)


rule train_seed:
    """Train a model of a comparison anew, from another seed; killed, it goes on after the last finished epoch."""
    input:
        images=rules.train_model.input.images,
        classes=rules.train_model.input.classes,
    output:
        model="<study>/seeds/{model}/{number}/model.keras",
        spec="<study>/seeds/{model}/{number}/model.json",
        summary=temp("<study>/seeds/{model}/{number}/summary.txt"),
        history="<study>/seeds/{model}/{number}/history.csv",
        training="<study>/seeds/{model}/{number}/training.json",
        epochs=temp("<study>/seeds/{model}/{number}/epochs.h5"),
    log:
        "<study>/logs/train_seed/{model}.{number}.log",
    benchmark:
        "<study>/benchmarks/train_seed/{model}.{number}.tsv"
    wildcard_constraints:
        model=one_of(set(TRAINED) - set(TRAINED_ON_MASKS)),
        number=r"\d+",
    conda:
        "../envs/convscope.yaml"
    threads: lambda w: config["models"][w.model]["threads"]
    resources:
        mem_mb=megabytes("train_seed"),
        runtime=minutes("train_seed"),
        gpu=GPU,
    params:
        code=code("train_model"),
        backend=BACKEND,
        settings=settings("models", "{model}"),
        state=lambda w, output: os.path.join(os.path.dirname(output.model), "state"),
        # The study's own model is the first.
        seed=lambda w: SEED + int(w.number) - 1,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" train_model --name {wildcards.model} --images {input.images:q} --classes {input.classes:q} \
            --settings {params.settings:q} --state {params.state:q} --model {output.model:q} --spec {output.spec:q} \
            --summary {output.summary:q} --history {output.history:q} --training {output.training:q} \
            --epochs {output.epochs:q} --passing summary epochs --seed {params.seed} --backend {params.backend} --threads {threads} --log {log:q}
        """


rule evaluate_seed:
    """Predict every image of a split by a model that was trained anew."""
    input:
        model=rules.train_seed.output.model,
        spec=rules.train_seed.output.spec,
        images="<study>/datasets/{dataset}/images.csv",
    output:
        predictions="<study>/seeds/{model}/{number}/{dataset}.{split}/predictions.csv",
        scores="<study>/seeds/{model}/{number}/{dataset}.{split}/scores.h5",
        metrics="<study>/seeds/{model}/{number}/{dataset}.{split}/metrics.json",
    log:
        "<study>/logs/evaluate_seed/{model}.{number}.{dataset}.{split}.log",
    benchmark:
        "<study>/benchmarks/evaluate_seed/{model}.{number}.{dataset}.{split}.tsv"
    wildcard_constraints:
        number=r"\d+",
    group:
        together("evaluate_seed")
    conda:
        "../envs/convscope.yaml"
    threads: lambda w: config["models"][w.model]["threads"]
    resources:
        mem_mb=megabytes("evaluate_seed"),
        runtime=minutes("evaluate_seed"),
        gpu=GPU,
    params:
        code=code("evaluate"),
        backend=BACKEND,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" evaluate --model {input.model:q} --spec {input.spec:q} --images {input.images:q} \
            --split={wildcards.split:q} --predictions {output.predictions:q} --scores {output.scores:q} \
            --metrics {output.metrics:q} --backend {params.backend} --threads {threads} --log {log:q}
        """


def of_trainings(first, again, file):
    """An input of a comparison: one file of each training, of the rule of the study's own models or of the one for more seeds."""

    def files(wildcards):
        part = config["comparisons"][wildcards.comparison]
        dataset, split = dataset_and_split(part["split"])
        return [
            getattr((first if number == 1 else again).output, file).format(
                model=model, number=number, dataset=dataset, split=split
            )
            for model, number in trainings(part)
        ]

    return files


def of_models(file):
    """An input of a comparison: one file of each of its models."""
    return lambda w: [
        f"{STUDY}/models/{model}/{file}"
        for model in config["comparisons"][w.comparison]["models"]
    ]


rule comparison:
    """Put every training of a comparison in one table, and say of every two models what so many seeds decide."""
    input:
        histories=of_trainings(rules.train_model, rules.train_seed, "history"),
        trainings=of_trainings(rules.train_model, rules.train_seed, "training"),
        predictions=of_trainings(rules.evaluate, rules.evaluate_seed, "predictions"),
        models=of_models("model.keras"),
        specs=of_models("model.json"),
    output:
        table="<study>/comparisons/{comparison}/table.csv",
        pairs="<study>/comparisons/{comparison}/pairs.csv",
        whole="<study>/comparisons/{comparison}/comparison.json",
        curves=report(
            "<study>/comparisons/{comparison}/curves.png",
            caption="../report/comparison.rst",
            category="Comparisons",
            labels={"comparison": "{comparison}", "figure": "training curves"},
        ),
        costs=report(
            "<study>/comparisons/{comparison}/costs.png",
            caption="../report/comparison.rst",
            category="Comparisons",
            labels={"comparison": "{comparison}", "figure": "accuracy by cost"},
        ),
    log:
        "<study>/logs/comparison/{comparison}.log",
    benchmark:
        "<study>/benchmarks/comparison/{comparison}.tsv"
    group:
        together("comparison")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("comparison"),
        runtime=minutes("comparison"),
    params:
        code=code("comparison"),
        backend=BACKEND,
        settings=lambda w: argument(
            {
                key: config["comparisons"][w.comparison][key]
                for key in ("models", "seeds", "split")
            }
        ),
        histories=lambda w, input: arguments_of(input.histories),
        trainings=lambda w, input: arguments_of(input.trainings),
        predictions=lambda w, input: arguments_of(input.predictions),
        folder=lambda w, output: os.path.dirname(output.table),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" comparison --name {wildcards.comparison} --settings {params.settings:q} \
            --histories {params.histories:q} --trainings {params.trainings:q} --predictions {params.predictions:q} \
            --models {input.models:q} --specs {input.specs:q} --out {params.folder:q} --backend {params.backend} --log {log:q}
        """


rule compared_cams:
    """Lay the heatmaps of the same pictures by all models of a comparison side by side."""
    input:
        maps=lambda w: [
            f"{STUDY}/cams/{model}/{part['images']}/{part['method']}.h5"
            for part in [config["comparisons"][w.comparison]]
            for model in part["models"]
        ],
    output:
        sheet=report(
            "<study>/comparisons/{comparison}/cams.png",
            caption="../report/comparison.rst",
            category="Comparisons",
            labels={"comparison": "{comparison}", "figure": "heatmaps"},
        ),
    log:
        "<study>/logs/compared_cams/{comparison}.log",
    benchmark:
        "<study>/benchmarks/compared_cams/{comparison}.tsv"
    group:
        together("compared_cams")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("compared_cams"),
        runtime=minutes("compared_cams"),
    params:
        code=code("compared_cams"),
        models=lambda w: config["comparisons"][w.comparison]["models"],
        colormap=lambda w: config["cams"][
            config["comparisons"][w.comparison]["models"][0]
        ]["colormap"],
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" compared_cams --models {params.models:q} --maps {input.maps:q} \
            --colormap {params.colormap:q} --sheet {output.sheet:q} --log {log:q}
        """


def unlike_shortcuts(model):
    """The layers of a model with patterns, without the shortcuts that only some networks have; these where there are no others."""
    names = selected("filters", model, CONVOLUTIONS)
    table = read_layers(checkpoints.layers.get(model=model).output.table)
    shortcuts = {row["name"] for row in table if row["role"] == "shortcut"}
    return [name for name in names if name not in shortcuts] or names


def compared_patterns(wildcards):
    """The patterns of as many layers of each model, model by model."""
    preset = pattern_preset(config, wildcards.comparison)
    models = config["comparisons"][wildcards.comparison]["models"]
    layers = {model: unlike_shortcuts(model) for model in models}
    return [
        rules.ascend.output.patterns.format(model=model, preset=preset, layer=layer)
        for model, names in layers_by_depth(layers).items()
        for layer in names
    ]


rule compared_filters:
    """Lay the filter patterns of all models of a comparison side by side, depth by depth."""
    input:
        patterns=compared_patterns,
    output:
        sheet=report(
            "<study>/comparisons/{comparison}/filters.png",
            caption="../report/comparison.rst",
            category="Comparisons",
            labels={"comparison": "{comparison}", "figure": "filter patterns"},
        ),
    log:
        "<study>/logs/compared_filters/{comparison}.log",
    benchmark:
        "<study>/benchmarks/compared_filters/{comparison}.tsv"
    group:
        together("compared_filters")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("compared_filters"),
        runtime=minutes("compared_filters"),
    params:
        code=code("compared_filters"),
        models=lambda w: config["comparisons"][w.comparison]["models"],
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" compared_filters --models {params.models:q} --patterns {input.patterns:q} \
            --sheet {output.sheet:q} --log {log:q}
        """


def comparison_files():
    """The tables and figures of every comparison, as far as its models have maps and patterns."""
    return [
        file
        for name, part in config["comparisons"].items()
        for rule in [rules.comparison]
        + [rules.compared_cams] * ("images" in part)
        + [rules.compared_filters] * (pattern_preset(config, name) is not None)
        for file in files_of(rule, comparison=name)
    ]
