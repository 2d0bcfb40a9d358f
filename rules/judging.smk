"""Judging: which of the explanations to believe."""


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
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("judging")
    resources:
        mem_mb=4000,
        runtime=480,
    params:
        code=code("judge"),
        masks=judge_masks,
        own=judge_method_settings,
        settings=judge_settings,
        seed=SEED,
    shell:
        r"""
        python -m scripts.judge --model {input.model:q} --spec {input.spec:q} --images {input.images:q} --maps {input.maps:q} \
            --method {wildcards.method} --method-settings {params.own:q} {params.masks} --settings {params.settings:q} \
            --seed {params.seed} --out {output.numbers:q} --threads {threads} --log {log:q}
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
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("judging")
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=code("judge"),
        masks=judge_masks,
        names=list(CONTROLS),
        settings=judge_settings,
        seed=SEED,
    shell:
        r"""
        python -m scripts.judge --model {input.model:q} --spec {input.spec:q} --images {input.images:q} --maps {input.maps:q} \
            --method {params.names:q} {params.masks} --settings {params.settings:q} --seed {params.seed} \
            --out {output.numbers:q} --threads {threads} --log {log:q}
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
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("judging_report"),
        settings=gate_settings,
        seed=SEED,
        folder=lambda w, output: os.path.dirname(output.table),
    shell:
        r"""
        python -m scripts.judging_report --judged {input.judged:q} {input.controls:q} --maps {input.maps:q} --spec {input.spec:q} \
            --settings {params.settings:q} --seed {params.seed} --out {params.folder:q} --log {log:q}
        """


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
        mem_mb=1000,
        runtime=20,
    params:
        code=code("judging_against"),
        seed=SEED,
        other=lambda w: rival(w),
        folder=lambda w, output: os.path.dirname(output.table),
    shell:
        r"""
        python -m scripts.judging_against --judged {input.judged:q} --other {input.other:q} --name {wildcards.model:q} \
            --other-name {params.other:q} --seed {params.seed} --out {params.folder:q} --log {log:q}
        """
