"""Units: what every filter looks for, in real crops and in words, and which of their patterns to believe."""

from convscope.filters.presets import preset_names


def unit_parts(model):
    """Names of the parts that a model's layers are divided into, one a job."""
    layers = selected("units", model, CONVOLUTIONS)
    count = math.ceil(len(layers) / config["units"][model]["layers_per_job"])
    return [f"{number:04d}" for number in range(max(count, 1))]


rule unit_answers:
    """Ask what the units of some layers answer to an image set, and which concepts lie where they fire."""
    input:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        layers="<study>/models/{model}/layers.csv",
        images="<study>/image_sets/{images}.csv",
        concepts=rules.concept_masks.output.masks,
    output:
        answers="<study>/units/{model}/{images}/parts/{shard}.h5",
    log:
        "<study>/logs/unit_answers/{model}.{images}.{shard}.log",
    benchmark:
        "<study>/benchmarks/unit_answers/{model}.{images}.{shard}.tsv"
    group:
        together("unit_answers")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("units")
    resources:
        mem_mb=megabytes("unit_answers"),
        runtime=minutes("unit_answers"),
        gpu=GPU,
    params:
        code=code("unit_answers"),
        backend=BACKEND,
        settings=settings("units", "{model}", only=["layers", "crops"]),
        first=lambda w: int(w.shard) * config["units"][w.model]["layers_per_job"],
        layers=lambda w: config["units"][w.model]["layers_per_job"],
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" unit_answers --model {input.model:q} --spec {input.spec:q} --layers {input.layers:q} \
            --images {input.images:q} --concepts {input.concepts:q} --first {params.first} --count {params.layers} \
            --settings {params.settings:q} --out {output.answers:q} --seed {params.seed} --backend {params.backend} \
            --threads {threads} --log {log:q}
        """


rule unit_crops:
    """Draw the real crops that fire some layers' units most, and a spread to the most silent."""
    input:
        answers=rules.unit_answers.output.answers,
        spec="<study>/models/{model}/model.json",
        images="<study>/image_sets/{images}.csv",
    output:
        sheets=directory("<study>/units/{model}/{images}/crops/{shard}"),
    log:
        "<study>/logs/unit_crops/{model}.{images}.{shard}.log",
    benchmark:
        "<study>/benchmarks/unit_crops/{model}.{images}.{shard}.tsv"
    group:
        together("unit_crops")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("unit_crops"),
        runtime=minutes("unit_crops"),
    params:
        code=code("unit_crops"),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" unit_crops --answers {input.answers:q} --spec {input.spec:q} --out {output.sheets:q} --log {log:q}
        """


rule unit_table:
    """Tell what all units of a model look for: a table in words, its figure by depth, which are alike and which feed which."""
    input:
        answers=lambda w: expand(
            rules.unit_answers.output.answers,
            shard=unit_parts(w.model),
            allow_missing=True,
        ),
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        layers="<study>/models/{model}/layers.csv",
    output:
        table="<study>/units/{model}/{images}/units.csv",
        units="<study>/units/{model}/{images}/units.h5",
        figure=report(
            "<study>/units/{model}/{images}/units.png",
            caption="../report/units.rst",
            category="Units",
            labels={
                "model": "{model}",
                "images": "{images}",
                "figure": "units by depth",
            },
        ),
    log:
        "<study>/logs/unit_table/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/unit_table/{model}.{images}.tsv"
    group:
        together("unit_table")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("units")
    resources:
        mem_mb=megabytes("unit_table"),
        runtime=minutes("unit_table"),
    params:
        code=code("unit_table"),
        backend=BACKEND,
        answers=lambda w, input: arguments_of(input.answers),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" unit_table --model {input.model:q} --spec {input.spec:q} --layers {input.layers:q} \
            --answers {params.answers:q} --table {output.table:q} --units {output.units:q} --figure {output.figure:q} \
            --backend {params.backend} --threads {threads} --log {log:q}
        """


def pattern_presets(model):
    """The presets of a model's filter patterns; none where none are asked for."""
    return preset_names(config["filters"][model]) if model in config["filters"] else []


def measured_layers(model):
    """The layers of a model of whose units there are patterns, and real pictures to hold them against."""
    if not pattern_presets(model):
        return []
    told = selected("units", model, CONVOLUTIONS)
    return [
        layer for layer in selected("filters", model, CONVOLUTIONS) if layer in told
    ]


rule pattern_paths:
    """Measure a layer's patterns as real pictures are: what their units answer to them, and by which way."""
    input:
        patterns=lambda w: expand(
            rules.ascend.output.patterns,
            preset=pattern_presets(w.model),
            allow_missing=True,
        ),
        units=rules.unit_table.output.units,
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        layers="<study>/models/{model}/layers.csv",
        images="<study>/image_sets/{images}.csv",
    output:
        paths="<study>/units/{model}/{images}/paths/{layer}.h5",
    log:
        "<study>/logs/pattern_paths/{model}.{images}.{layer}.log",
    benchmark:
        "<study>/benchmarks/pattern_paths/{model}.{images}.{layer}.tsv"
    group:
        together("pattern_paths")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("units")
    resources:
        mem_mb=megabytes("pattern_paths"),
        runtime=minutes("pattern_paths"),
        gpu=GPU,
    params:
        code=code("pattern_paths"),
        backend=BACKEND,
        presets=lambda w: argument(pattern_presets(w.model)),
        patterns=lambda w, input: arguments_of(input.patterns),
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" pattern_paths --model {input.model:q} --spec {input.spec:q} --layers {input.layers:q} \
            --images {input.images:q} --units {input.units:q} --layer={wildcards.layer:q} --presets {params.presets:q} \
            --patterns {params.patterns:q} --out {output.paths:q} --seed {params.seed} --backend {params.backend} \
            --threads {threads} --log {log:q}
        """


rule pattern_table:
    """Tell which of a model's patterns to believe: a table, and a figure by preset and depth."""
    input:
        paths=lambda w: expand(
            rules.pattern_paths.output.paths,
            layer=measured_layers(w.model),
            allow_missing=True,
        ),
    output:
        table="<study>/units/{model}/{images}/patterns.csv",
        figure=report(
            "<study>/units/{model}/{images}/patterns.png",
            caption="../report/patterns.rst",
            category="Units",
            labels={
                "model": "{model}",
                "images": "{images}",
                "figure": "patterns to believe",
            },
        ),
    log:
        "<study>/logs/pattern_table/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/pattern_table/{model}.{images}.tsv"
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("pattern_table"),
        runtime=minutes("pattern_table"),
    params:
        code=code("pattern_table"),
        paths=lambda w, input: arguments_of(input.paths),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" pattern_table --model {wildcards.model:q} --paths {params.paths:q} --table {output.table:q} \
            --figure {output.figure:q} --log {log:q}
        """


def unit_files(wildcards):
    """What every unit looks for, of every model that is asked, and which of its patterns to believe."""
    every = [
        file
        for model, images in pairs("units")
        for file in files_of(rules.unit_table, model=model, images=images)
    ]
    patterns = [
        file
        for model, images in pairs("units")
        if measured_layers(model)
        for layer in measured_layers(model)
        for file in files_of(
            rules.pattern_paths, model=model, images=images, layer=layer
        )
        + files_of(rules.pattern_table, model=model, images=images)
    ]
    parts = [
        file
        for model, images in pairs("units")
        for shard in unit_parts(model)
        for rule in (rules.unit_answers, rules.unit_crops)
        for file in files_of(rule, model=model, images=images, shard=shard)
    ]
    return every + list(dict.fromkeys(patterns)) + parts
