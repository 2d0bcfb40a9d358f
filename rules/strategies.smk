"""Strategies: which kinds of reasons a model has, over many pictures."""

from convscope.strategies.selection import grouped_methods


def strategy_maps(wildcards):
    """The gathered maps of a method."""
    stage = grouped_methods(config, wildcards.model, wildcards.images)[wildcards.method]
    return f"{STUDY}/{stage}/{wildcards.model}/{wildcards.images}/{wildcards.method}.h5"


rule strategies:
    """Put one method's maps of an image set together by likeness: kinds of reasons, and a map of pictures."""
    input:
        maps=strategy_maps,
        images="<study>/image_sets/{images}.csv",
        concepts=rules.concept_masks.output.masks,
    output:
        kinds="<study>/strategies/{model}/{images}/{method}.h5",
        table="<study>/strategies/{model}/{images}/{method}.csv",
        figure=report(
            "<study>/strategies/{model}/{images}/{method}.png",
            caption="../report/strategies.rst",
            category="Kinds of reasons",
            labels={"model": "{model}", "images": "{images}", "method": "{method}"},
        ),
    log:
        "<study>/logs/strategies/{model}.{images}.{method}.log",
    benchmark:
        "<study>/benchmarks/strategies/{model}.{images}.{method}.tsv"
    group:
        together("strategies")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("strategies"),
        runtime=minutes("strategies"),
    params:
        code=code("strategies"),
        settings=settings("strategies", "{model}", only=["most"]),
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" strategies --maps {input.maps:q} --method {wildcards.method} --images {input.images:q} \
            --concepts {input.concepts:q} --settings {params.settings:q} --seed {params.seed} --out {output.kinds:q} \
            --table {output.table:q} --figure {output.figure:q} --log {log:q}
        """


def strategy_files():
    """The kinds of reasons by every method of every model's image sets."""
    return [
        file
        for model, images in pairs("strategies")
        for method in grouped_methods(config, model, images)
        for file in files_of(
            rules.strategies, model=model, images=images, method=method
        )
    ]
