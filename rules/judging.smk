"""Judging: which of the explanations to believe."""

from convscope.judging.names import CONTROLS
from convscope.judging.selection import (
    judged_methods,
    method_settings,
    number_settings,
    verdict_settings,
)


def judged_maps(wildcards):
    """The files of maps that are judged: method -> file."""
    methods = judged_methods(config, wildcards.model, wildcards.images)
    return {
        method: f"{STUDY}/{stage}/{wildcards.model}/{wildcards.images}/{method}.h5"
        for method, stage in methods.items()
    }


def judge_sources(wildcards):
    """The maps of a method (for the controls of the first one: its classes are explained), and the part masks."""
    maps = judged_maps(wildcards)
    part = config["image_sets"][wildcards.images]
    sources = {"maps": maps[getattr(wildcards, "method", next(iter(maps)))]}
    method = getattr(wildcards, "method", None)
    if method and "autoencoder" in method_settings(
        config, wildcards.model, wildcards.images, method
    ):
        sources |= autoencoder(wildcards)
    predicted = config["judging"][wildcards.model].get("masks")
    if predicted:
        folder = f"{STUDY}/segmentation/{predicted}/{wildcards.images}"
        # The pictures themselves are known by their checksums in the table.
        sources |= {"masks": f"{folder}/parts.csv", "parts": f"{folder}/parts.json"}
    elif "dataset" in part:
        folder = f"{STUDY}/datasets/{part['dataset']}"
        sources |= {"masks": f"{folder}/masks.csv", "parts": f"{folder}/parts.json"}
    return sources


def judge_masks(wildcards, input):
    """The masks, and the auto-encoder of a contrastive method, as arguments."""
    given = ("masks", "parts", "autoencoder")
    return " ".join(option(name, input.get(name)) for name in given)


rule judge:
    """Compute every number of one method."""
    input:
        unpack(judge_sources),
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        images="<study>/image_sets/{images}.csv",
    output:
        numbers="<study>/judging/{model}/{images}/methods/{method}.h5",
    log:
        "<study>/logs/judge/{model}.{images}.{method}.log",
    benchmark:
        "<study>/benchmarks/judge/{model}.{images}.{method}.tsv"
    group:
        together("judge")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("judging")
    resources:
        mem_mb=megabytes("judge"),
        runtime=minutes("judge"),
        gpu=GPU,
    params:
        code=code("judge"),
        backend=BACKEND,
        masks=judge_masks,
        own=lambda w: argument(method_settings(config, w.model, w.images, w.method)),
        settings=lambda w: argument(number_settings(config, w.model)),
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" judge --model {input.model:q} --spec {input.spec:q} --images {input.images:q} --maps {input.maps:q} \
            --method {wildcards.method} --method-settings {params.own:q} {params.masks} --settings {params.settings:q} \
            --seed {params.seed} --out {output.numbers:q} --backend {params.backend} --threads {threads} --log {log:q}
        """


rule judge_controls:
    """Compute the numbers of maps that know nothing of the model, for every method to be compared with."""
    input:
        unpack(judge_sources),
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        images="<study>/image_sets/{images}.csv",
    output:
        numbers=expand(
            "<study>/judging/{model}/{images}/methods/{method}.h5",
            method=CONTROLS,
            allow_missing=True,
        ),
    log:
        "<study>/logs/judge_controls/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/judge_controls/{model}.{images}.tsv"
    group:
        together("judge_controls")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("judging")
    resources:
        mem_mb=megabytes("judge_controls"),
        runtime=minutes("judge_controls"),
        gpu=GPU,
    params:
        code=code("judge"),
        backend=BACKEND,
        masks=judge_masks,
        names=list(CONTROLS),
        settings=lambda w: argument(number_settings(config, w.model)),
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" judge --model {input.model:q} --spec {input.spec:q} --images {input.images:q} --maps {input.maps:q} \
            --method {params.names:q} {params.masks} --settings {params.settings:q} --seed {params.seed} \
            --out {output.numbers:q} --backend {params.backend} --threads {threads} --log {log:q}
        """


rule judging_report:
    """Compare the methods in one table, pass the sanity gate, draw the figures, list what the maps tell of themselves."""
    input:
        judged=lambda w: expand(
            rules.judge.output.numbers, method=judged_maps(w), allow_missing=True
        ),
        controls=rules.judge_controls.output.numbers,
        maps=lambda w: list(judged_maps(w).values()),
        spec="<study>/models/{model}/model.json",
    output:
        table="<study>/judging/{model}/{images}/table.csv",
        whole="<study>/judging/{model}/{images}/table.json",
        gate="<study>/judging/{model}/{images}/gate.json",
        self_check="<study>/judging/{model}/{images}/self_check.csv",
        pairs="<study>/judging/{model}/{images}/agreement.csv",
        metrics=report(
            "<study>/judging/{model}/{images}/metrics.png",
            caption="../report/judging.rst",
            category="Judging",
            labels={"model": "{model}", "images": "{images}", "figure": "metrics"},
        ),
        curves=report(
            "<study>/judging/{model}/{images}/curves.png",
            caption="../report/judging.rst",
            category="Judging",
            labels={"model": "{model}", "images": "{images}", "figure": "curves"},
        ),
        agreement=report(
            "<study>/judging/{model}/{images}/agreement.png",
            caption="../report/judging.rst",
            category="Judging",
            labels={"model": "{model}", "images": "{images}", "figure": "agreement"},
        ),
    log:
        "<study>/logs/judging_report/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/judging_report/{model}.{images}.tsv"
    group:
        together("judging_report")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("judging_report"),
        runtime=minutes("judging_report"),
    params:
        code=code("judging_report"),
        backend=BACKEND,
        settings=lambda w: argument(verdict_settings(config, w.model)),
        seed=SEED,
        folder=lambda w, output: os.path.dirname(output.table),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" judging_report --judged {input.judged:q} {input.controls:q} --maps {input.maps:q} --spec {input.spec:q} \
            --settings {params.settings:q} --seed {params.seed} --out {params.folder:q} --backend {params.backend} --log {log:q}
        """


def judged_numbers(model, images):
    """The numbers of every method and control of a model on an image set."""
    methods = [*judged_methods(config, model, images), *CONTROLS]
    return [f"{STUDY}/judging/{model}/{images}/methods/{name}.h5" for name in methods]


def rival(wildcards):
    """The model that a model's maps are compared with."""
    return config["judging"][wildcards.model]["against"]


rule judging_against:
    """Compare where a model's maps lie with where another model's do, on the same images."""
    input:
        judged=lambda w: judged_numbers(w.model, w.images),
        other=lambda w: judged_numbers(rival(w), w.images),
    output:
        table="<study>/judging/{model}/{images}/against.csv",
        whole="<study>/judging/{model}/{images}/against.json",
        figure=report(
            "<study>/judging/{model}/{images}/against.png",
            caption="../report/judging_against.rst",
            category="Judging",
            labels={"model": "{model}", "images": "{images}", "figure": "against"},
        ),
    log:
        "<study>/logs/judging_against/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/judging_against/{model}.{images}.tsv"
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("judging_against"),
        runtime=minutes("judging_against"),
    params:
        code=code("judging_against"),
        backend=BACKEND,
        seed=SEED,
        other=lambda w: rival(w),
        folder=lambda w, output: os.path.dirname(output.table),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" judging_against --judged {input.judged:q} --other {input.other:q} --name {wildcards.model:q} \
            --other-name {params.other:q} --seed {params.seed} --out {params.folder:q} --backend {params.backend} --log {log:q}
        """


def judging_tables():
    """The verdict of every model and image set that is judged, and the comparison with another model."""
    return [
        file
        for model, images in pairs("judging")
        for rule in [rules.judging_report]
        + [rules.judging_against] * ("against" in config["judging"][model])
        for file in files_of(rule, model=model, images=images)
    ]
