"""Filter patterns: what every filter responds to most, by gradient ascent in input space."""

from convscope.filters.presets import (
    objective_presets,
    objective_settings,
    pattern_settings,
    preset_names,
)


rule ascend:
    """Find the patterns of one layer's filters."""
    input:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        layers="<study>/models/{model}/layers.csv",
    output:
        patterns="<study>/filters/{model}/{preset}/{layer}.h5",
    log:
        "<study>/logs/ascend/{model}.{preset}.{layer}.log",
    benchmark:
        "<study>/benchmarks/ascend/{model}.{preset}.{layer}.tsv"
    group:
        together("ascend")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("filters")
    resources:
        mem_mb=megabytes("ascend"),
        # A layer of 2,048 filters takes three hours; stopped by the clock, it goes on from the batches that are kept.
        runtime=minutes("ascend"),
        gpu=GPU,
    params:
        code=code("ascend"),
        backend=BACKEND,
        settings=lambda w: argument(
            pattern_settings(config["filters"][w.model], w.preset)
        ),
        state=lambda w, output: os.path.splitext(output.patterns)[0] + ".state",
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" ascend --model {input.model:q} --spec {input.spec:q} --layers {input.layers:q} \
            --layer={wildcards.layer:q} --settings {params.settings:q} --state {params.state:q} \
            --code={params.code:q} --out {output.patterns:q} --seed {params.seed} --backend {params.backend} --threads {threads} --log {log:q}
        """


rule filter_grid:
    """Draw a layer's patterns as a grid, and how their objectives rose."""
    input:
        patterns=rules.ascend.output.patterns,
    output:
        grid=report(
            "<study>/filters/{model}/{preset}/filters_for_layer_{layer}.png",
            caption="../report/filters.rst",
            category="Filter patterns",
            labels={"model": "{model}", "preset": "{preset}", "layer": "{layer}"},
        ),
        objective="<study>/filters/{model}/{preset}/objective_{layer}.png",
    log:
        "<study>/logs/filter_grid/{model}.{preset}.{layer}.log",
    benchmark:
        "<study>/benchmarks/filter_grid/{model}.{preset}.{layer}.tsv"
    group:
        together("filter_grid")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("filter_grid"),
        runtime=minutes("filter_grid"),
    params:
        code=code("filter_grid"),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" filter_grid --patterns {input.patterns:q} --grid {output.grid:q} --objective {output.objective:q} \
            --log {log:q}
        """


def direction_of(wildcards):
    """What a user's file of a direction holds; empty where there is none."""
    part = config["filters"][wildcards.model]["objectives"][wildcards.objective]
    direction = part.get("direction")
    return content_of(direction) if isinstance(direction, str) else ""


rule ascend_objective:
    """Find pictures of a class, of a direction among a layer's channels, or of several filters together."""
    input:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
    output:
        patterns="<study>/filters/{model}/{preset}/objectives/{objective}.h5",
        figure=report(
            "<study>/filters/{model}/{preset}/objectives/{objective}.png",
            caption="../report/objectives.rst",
            category="Filter patterns",
            labels={"model": "{model}", "preset": "{preset}", "layer": "{objective}"},
        ),
    log:
        "<study>/logs/ascend_objective/{model}.{preset}.{objective}.log",
    benchmark:
        "<study>/benchmarks/ascend_objective/{model}.{preset}.{objective}.tsv"
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("filters")
    resources:
        mem_mb=megabytes("ascend_objective"),
        runtime=minutes("ascend_objective"),
        gpu=GPU,
    params:
        code=code("ascend_objective"),
        backend=BACKEND,
        objective=lambda w: argument(
            config["filters"][w.model]["objectives"][w.objective]
        ),
        settings=lambda w: argument(
            objective_settings(config["filters"][w.model], w.preset)
        ),
        direction=direction_of,
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" ascend_objective --model {input.model:q} --spec {input.spec:q} --name {wildcards.objective:q} \
            --objective {params.objective:q} --settings {params.settings:q} --out {output.patterns:q} --figure {output.figure:q} \
            --seed {params.seed} --backend {params.backend} --threads {threads} --log {log:q}
        """


def filter_figures(wildcards):
    """The patterns and the grid of every layer of every model that filters are asked for, and what else pictures are of."""
    objectives = [
        file
        for model in config["filters"]
        for preset in objective_presets(config["filters"][model])
        for objective in config["filters"][model]["objectives"]
        for file in files_of(
            rules.ascend_objective, model=model, preset=preset, objective=objective
        )
    ]
    return objectives + [
        file
        for model in config["filters"]
        for preset in preset_names(config["filters"][model])
        for layer in selected("filters", model, CONVOLUTIONS)
        for rule in (rules.ascend, rules.filter_grid)
        for file in files_of(rule, model=model, preset=preset, layer=layer)
    ]
