"""Filter patterns: what every filter responds to most, by gradient ascent in input space."""

from convscope.filters.presets import pattern_settings, preset_names


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


def filter_figures(wildcards):
    """The patterns and the grid of every layer of every model that filters are asked for."""
    return [
        file
        for model in config["filters"]
        for preset in preset_names(config["filters"][model])
        for layer in selected("filters", model, CONVOLUTIONS)
        for rule in (rules.ascend, rules.filter_grid)
        for file in files_of(rule, model=model, preset=preset, layer=layer)
    ]
