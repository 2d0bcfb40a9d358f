"""How well the models classify: predictions, numbers, and the report."""

from convscope.storage.addresses import dataset_and_split


rule evaluate:
    """Predict every image of a split; write the table of predictions, the scores of all classes and the metrics."""
    input:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        images="<study>/datasets/{dataset}/images.csv",
    output:
        predictions="<study>/evaluation/{model}/{dataset}.{split}/predictions.csv",
        scores="<study>/evaluation/{model}/{dataset}.{split}/scores.h5",
        metrics="<study>/evaluation/{model}/{dataset}.{split}/metrics.json",
    log:
        "<study>/logs/evaluate/{model}.{dataset}.{split}.log",
    benchmark:
        "<study>/benchmarks/evaluate/{model}.{dataset}.{split}.tsv"
    # A model that the study does not train has no threads of its own.
    group:
        together("evaluate")
    conda:
        "../envs/convscope.yaml"
    threads: lambda w: config["models"][w.model].get("threads", 2)
    resources:
        mem_mb=megabytes("evaluate"),
        runtime=minutes("evaluate"),
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


def report_labels(figure):
    """How the report of the workflow calls a figure of an evaluation."""
    return {
        "model": "{model}",
        "tested on": "{dataset}/{split}",
        "figure": figure,
    }


rule classifier_report:
    """Draw the report of a classifier: confusion, ROC curves, calibration, its most confident errors."""
    input:
        predictions=rules.evaluate.output.predictions,
        scores=rules.evaluate.output.scores,
        spec="<study>/models/{model}/model.json",
    output:
        classes="<study>/evaluation/{model}/{dataset}.{split}/classes.csv",
        roc_table="<study>/evaluation/{model}/{dataset}.{split}/roc.csv",
        calibration_table="<study>/evaluation/{model}/{dataset}.{split}/calibration.csv",
        confusion=report(
            "<study>/evaluation/{model}/{dataset}.{split}/confusion.png",
            caption="../report/confusion.rst",
            category="Evaluation",
            labels=report_labels("confusion, counts"),
        ),
        confusion_shares=report(
            "<study>/evaluation/{model}/{dataset}.{split}/confusion_normalised.png",
            caption="../report/confusion.rst",
            category="Evaluation",
            labels=report_labels("confusion, shares of the truth"),
        ),
        roc=report(
            "<study>/evaluation/{model}/{dataset}.{split}/roc.png",
            caption="../report/roc.rst",
            category="Evaluation",
            labels=report_labels("ROC curves"),
        ),
        calibration=report(
            "<study>/evaluation/{model}/{dataset}.{split}/calibration.png",
            caption="../report/calibration.rst",
            category="Evaluation",
            labels=report_labels("calibration"),
        ),
        errors=report(
            "<study>/evaluation/{model}/{dataset}.{split}/most_confident_errors.png",
            caption="../report/errors.rst",
            category="Evaluation",
            labels=report_labels("most confident errors"),
        ),
        thumbnails="<study>/evaluation/{model}/{dataset}.{split}/thumbnails.jpg",
        thumbnails_geometry="<study>/evaluation/{model}/{dataset}.{split}/thumbnails.json",
    log:
        "<study>/logs/classifier_report/{model}.{dataset}.{split}.log",
    benchmark:
        "<study>/benchmarks/classifier_report/{model}.{dataset}.{split}.tsv"
    group:
        together("classifier_report")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("classifier_report"),
        runtime=minutes("classifier_report"),
    params:
        code=code("classifier_report"),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" classifier_report --predictions {input.predictions:q} --scores {input.scores:q} \
            --spec {input.spec:q} --title={wildcards.dataset}/{wildcards.split:q} --classes {output.classes:q} --roc-table {output.roc_table:q} \
            --calibration-table {output.calibration_table:q} --confusion {output.confusion:q} \
            --confusion-shares {output.confusion_shares:q} --roc {output.roc:q} --calibration {output.calibration:q} \
            --errors {output.errors:q} --thumbnails {output.thumbnails:q} \
            --thumbnails-geometry {output.thumbnails_geometry:q} --log {log:q}
        """


def evaluated(rule):
    """The files of every model's evaluation or report, on every split it is tested on."""
    return [
        file
        for model, parts in config["evaluations"].items()
        for dataset, split in map(dataset_and_split, parts)
        for file in files_of(rule, model=model, dataset=dataset, split=split)
    ]
