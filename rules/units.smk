"""Units: what every filter looks for, in real crops and in words."""


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


def unit_files(wildcards):
    """What every unit looks for, of every model that is asked."""
    every = [
        file
        for model, images in pairs("units")
        for file in files_of(rules.unit_table, model=model, images=images)
    ]
    parts = [
        file
        for model, images in pairs("units")
        for shard in unit_parts(model)
        for rule in (rules.unit_answers, rules.unit_crops)
        for file in files_of(rule, model=model, images=images, shard=shard)
    ]
    return every + parts
