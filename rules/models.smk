"""Models: trained, or brought from elsewhere, to one canonical form; and their layers."""

from convscope.models.settings import model_files, model_settings


rule train_model:
    """Train a network from scratch; killed, it goes on after the last finished epoch."""
    input:
        images=lambda w: f"{STUDY}/datasets/{config['models'][w.model]['dataset']}/images.csv",
        classes=lambda w: f"{STUDY}/datasets/{config['models'][w.model]['dataset']}/classes.json",
    output:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        summary="<study>/models/{model}/summary.txt",
        history="<study>/models/{model}/history.csv",
        training="<study>/models/{model}/training.json",
        epochs="<study>/models/{model}/epochs.h5",
    log:
        "<study>/logs/train_model/{model}.log",
    benchmark:
        "<study>/benchmarks/train_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(set(TRAINED) - set(TRAINED_ON_MASKS)),
    conda:
        "../envs/convscope.yaml"
    threads: lambda w: config["models"][w.model]["threads"]
    resources:
        mem_mb=megabytes("train_model"),
        runtime=minutes("train_model"),
        gpu=GPU,
    params:
        code=code("train_model"),
        backend=BACKEND,
        settings=settings("models", "{model}"),
        state=lambda w, output: os.path.join(os.path.dirname(output.model), "state"),
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" train_model --name {wildcards.model} --images {input.images:q} --classes {input.classes:q} \
            --settings {params.settings:q} --state {params.state:q} --model {output.model:q} --spec {output.spec:q} \
            --summary {output.summary:q} --history {output.history:q} --training {output.training:q} \
            --epochs {output.epochs:q} --seed {params.seed} --backend {params.backend} --threads {threads} --log {log:q}
        """


def base_file(name):
    """A file of the model that a transferred one is made of."""
    return lambda w: f"{STUDY}/models/{config['models'][w.model]['base']}/{name}"


rule transfer_model:
    """Train a new head on another model's frozen layers, and fine-tune the last of them; report what CAM's head costs beside a dense one."""
    input:
        base=base_file("model.keras"),
        base_spec=base_file("model.json"),
        images=lambda w: f"{STUDY}/datasets/{config['models'][w.model]['dataset']}/images.csv",
        classes=lambda w: f"{STUDY}/datasets/{config['models'][w.model]['dataset']}/classes.json",
    output:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        summary="<study>/models/{model}/summary.txt",
        history="<study>/models/{model}/history.csv",
        training="<study>/models/{model}/training.json",
        heads="<study>/models/{model}/heads.csv",
        epochs="<study>/models/{model}/epochs.h5",
    log:
        "<study>/logs/transfer_model/{model}.log",
    benchmark:
        "<study>/benchmarks/transfer_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(TRANSFERRED),
    conda:
        "../envs/convscope.yaml"
    threads: lambda w: config["models"][w.model]["threads"]
    resources:
        mem_mb=megabytes("transfer_model"),
        runtime=minutes("transfer_model"),
        gpu=GPU,
    params:
        code=code("transfer_model"),
        backend=BACKEND,
        settings=settings("models", "{model}"),
        state=lambda w, output: os.path.join(os.path.dirname(output.model), "state"),
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" transfer_model --name {wildcards.model} --base {input.base:q} --base-spec {input.base_spec:q} \
            --images {input.images:q} --classes {input.classes:q} --settings {params.settings:q} --state {params.state:q} \
            --model {output.model:q} --spec {output.spec:q} --summary {output.summary:q} --history {output.history:q} \
            --training {output.training:q} --heads {output.heads:q} --epochs {output.epochs:q} --seed {params.seed} --backend {params.backend} \
            --threads {threads} --log {log:q}
        """


rule training_curves:
    """Draw accuracy and loss of a training by epoch."""
    input:
        history=rules.train_model.output.history,
        training=rules.train_model.output.training,
        spec=rules.train_model.output.spec,
    output:
        curves=report(
            "<study>/models/{model}/curves.png",
            caption="../report/curves.rst",
            category="Models",
            labels={"model": "{model}", "figure": "training curves"},
        ),
    log:
        "<study>/logs/training_curves/{model}.log",
    benchmark:
        "<study>/benchmarks/training_curves/{model}.tsv"
    wildcard_constraints:
        model=one_of(TRAINED + TRANSFERRED),
    group:
        together("training_curves")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("training_curves"),
        runtime=minutes("training_curves"),
    params:
        code=code("training_curves"),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" training_curves --history {input.history:q} --training {input.training:q} --spec {input.spec:q} \
            --curves {output.curves:q} --log {log:q}
        """


IMPORTED = set(config["models"]) - set(TRAINED) - set(TRANSFERRED)
# Those that are called by their name alone, and lie on no disk that the config names.
FETCHED = {name for name in IMPORTED if not model_files(config["models"][name])}


rule import_model:
    """Bring a preset, a saved file or an application that lies on the disk to the canonical form."""
    output:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        summary="<study>/models/{model}/summary.txt",
    log:
        "<study>/logs/import_model/{model}.log",
    benchmark:
        "<study>/benchmarks/import_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(IMPORTED - FETCHED),
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("import_model"),
        runtime=minutes("import_model"),
    params:
        code=code("import_model"),
        backend=BACKEND,
        settings=lambda w: argument(
            model_settings(config["models"][w.model], content_of)
        ),
        fingerprint=lambda w: [
            content_of(place) for place in model_files(config["models"][w.model])
        ],
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" import_model --name {wildcards.model} --settings {params.settings:q} --model {output.model:q} \
            --spec {output.spec:q} --summary {output.summary:q} --seed {params.seed} --backend {params.backend} --threads {threads} --log {log:q}
        """


rule fetch_model:
    """Download a preset or an application that is called by its name, and bring it to the canonical form."""
    output:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        summary="<study>/models/{model}/summary.txt",
    log:
        "<study>/logs/fetch_model/{model}.log",
    benchmark:
        "<study>/benchmarks/fetch_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(FETCHED),
    # The nodes of many clusters have no network.
    localrule: True
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("fetch_model"),
        runtime=minutes("fetch_model"),
    params:
        code=code("import_model"),
        backend=BACKEND,
        settings=lambda w: argument(
            model_settings(config["models"][w.model], content_of)
        ),
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" import_model --name {wildcards.model} --settings {params.settings:q} --model {output.model:q} \
            --spec {output.spec:q} --summary {output.summary:q} --seed {params.seed} --backend {params.backend} --threads {threads} --log {log:q}
        """


checkpoint layers:
    """List the conv and pooling layers of a model."""
    input:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
    output:
        table="<study>/models/{model}/layers.csv",
    log:
        "<study>/logs/layers/{model}.log",
    benchmark:
        "<study>/benchmarks/layers/{model}.tsv"
    group:
        together("layers")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("layers"),
        runtime=minutes("layers"),
    params:
        code=code("layers"),
        backend=BACKEND,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" layers --model {input.model:q} --spec {input.spec:q} --table {output.table:q} \
            --backend {params.backend} --threads {threads} --log {log:q}
        """
