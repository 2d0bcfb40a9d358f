"""Watching a model learn: what it said of a few pictures after each kept epoch, and what its filters looked for."""

from convscope.watching.settings import look_settings, with_filters


rule watch:
    """Look at some pictures with the weights of every kept epoch: answers, class activation maps, one channel's activations."""
    input:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        epochs=rules.train_model.output.epochs,
        images="<study>/image_sets/{images}.csv",
    output:
        seen="<study>/watching/{model}/{images}/watch.h5",
    log:
        "<study>/logs/watch/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/watch/{model}.{images}.tsv"
    group:
        together("watch")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("watching")
    resources:
        mem_mb=megabytes("watch"),
        runtime=minutes("watch"),
        gpu=GPU,
    params:
        code=code("watch"),
        backend=BACKEND,
        settings=lambda w: argument(look_settings(config["watching"][w.model])),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" watch --model {input.model:q} --spec {input.spec:q} --epochs {input.epochs:q} \
            --images {input.images:q} --settings {params.settings:q} --out {output.seen:q} --backend {params.backend} --threads {threads} --log {log:q}
        """


rule watch_figures:
    """Draw what was seen: a strip and an animation a picture, a sheet of all, and the table of answers with what flipped."""
    input:
        seen=rules.watch.output.seen,
    output:
        folder=directory("<study>/watching/{model}/{images}/pictures"),
        table="<study>/watching/{model}/{images}/predictions.csv",
        sheet=report(
            "<study>/watching/{model}/{images}/sheet.png",
            caption="../report/watching.rst",
            category="Watching it learn",
            labels={"model": "{model}", "images": "{images}"},
        ),
        facts="<study>/watching/{model}/{images}/frames.json",
    log:
        "<study>/logs/watch_figures/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/watch_figures/{model}.{images}.tsv"
    group:
        together("watch_figures")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("watch_figures"),
        runtime=minutes("watch_figures"),
    params:
        code=code("watch_figures"),
        settings=settings("watching", "{model}", only=["colormap"]),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" watch_figures --seen {input.seen:q} --settings {params.settings:q} --table {output.table:q} \
            --sheet {output.sheet:q} --facts {output.facts:q} --out {output.folder:q} --log {log:q}
        """


rule watch_board:
    """Write what was seen as a log of TensorBoard's: `tensorboard --logdir results/<study>/watching` shows it."""
    input:
        seen=rules.watch.output.seen,
    output:
        # By this name TensorBoard knows it; its own has a time, a machine and a process in it.
        board="<study>/watching/{model}/{images}/tensorboard/events.out.tfevents.watch",
    log:
        "<study>/logs/watch_board/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/watch_board/{model}.{images}.tsv"
    group:
        together("watch_board")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("watch_board"),
        runtime=minutes("watch_board"),
    params:
        code=code("watch_board"),
        settings=settings("watching", "{model}", only=["colormap"]),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" watch_board --seen {input.seen:q} --settings {params.settings:q} --board {output.board:q} --log {log:q}
        """


rule watch_filters:
    """Find the patterns of a few filters with the weights of every kept epoch."""
    input:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        epochs=rules.train_model.output.epochs,
        layers="<study>/models/{model}/layers.csv",
    output:
        patterns="<study>/watching/{model}/filters.h5",
    log:
        "<study>/logs/watch_filters/{model}.log",
    benchmark:
        "<study>/benchmarks/watch_filters/{model}.tsv"
    group:
        together("watch_filters")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("watching")
    resources:
        mem_mb=megabytes("watch_filters"),
        runtime=minutes("watch_filters"),
        gpu=GPU,
    params:
        code=code("watch_filters"),
        backend=BACKEND,
        settings=lambda w: argument(config["watching"][w.model]["filters"]),
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" watch_filters --model {input.model:q} --spec {input.spec:q} --epochs {input.epochs:q} \
            --layers {input.layers:q} --settings {params.settings:q} --out {output.patterns:q} --seed {params.seed} \
            --backend {params.backend} --threads {threads} --log {log:q}
        """


rule watch_filter_figures:
    """Draw the patterns of every kept epoch, a row a filter."""
    input:
        patterns=rules.watch_filters.output.patterns,
    output:
        strip=report(
            "<study>/watching/{model}/filters.png",
            caption="../report/watching_filters.rst",
            category="Watching it learn",
            labels={"model": "{model}", "images": "filter patterns"},
        ),
        frames="<study>/watching/{model}/filters.jpg",
        facts="<study>/watching/{model}/filters.json",
    log:
        "<study>/logs/watch_filter_figures/{model}.log",
    benchmark:
        "<study>/benchmarks/watch_filter_figures/{model}.tsv"
    group:
        together("watch_filter_figures")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("watch_filter_figures"),
        runtime=minutes("watch_filter_figures"),
    params:
        code=code("watch_filter_figures"),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" watch_filter_figures --patterns {input.patterns:q} --strip {output.strip:q} --frames {output.frames:q} \
            --facts {output.facts:q} --log {log:q}
        """


def watching_figures():
    """The pictures of every watched model and image set, and those of its filters and the logs where any are asked for."""
    seen = [
        file
        for model, images in pairs("watching")
        for rule in (
            rules.watch_figures,
            *([rules.watch_board] if config["watching"][model]["tensorboard"] else []),
        )
        for file in files_of(rule, model=model, images=images)
    ]
    patterns = [
        file
        for model, part in config["watching"].items()
        if with_filters(part)
        for file in files_of(rules.watch_filter_figures, model=model)
    ]
    return seen + patterns
