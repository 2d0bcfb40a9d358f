"""What a training leaves in a model's folder: the network, its facts, its history, and the weights of some epochs."""

import argparse
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from convscope.jobs.job import last_of_all
from convscope.models import epoch_networks, graphs, load
from convscope.models.canonical import canonical
from convscope.models.spec import ModelSpec
from convscope.models.training import Result, forget_state, write_history
from convscope.storage.files import write_json, write_text


@dataclass(frozen=True)
class Outcome:
    """The files of a model that was trained.

    Attributes:
        model, spec: the network (.keras) and the facts beside it (.json).
        summary: table of its layers (.txt).
        history: a row an epoch (.csv).
        training: settings and best epoch (.json).
        epochs: weights of some epochs (.h5).
        state: folder that kept what a resumed run needs, gone when the job is done; None where there is none.
    """

    model: Path
    spec: Path
    summary: Path
    history: Path
    training: Path
    epochs: Path
    state: Path | None

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Outcome":
        """Those that a job was given, see `jobs.job.outputs_of_training`."""
        return cls(args.model, args.spec, args.summary, args.history, args.training, args.epochs, args.state)

    def write(
        self,
        model: keras.Model,
        result: Result,
        *,
        scale: float,
        offset: float,
        facts: Mapping[str, Any],
        told: Mapping[str, Any],
    ) -> None:
        """Write all of it; the state's end comes when the job is done.

        Args:
            model: with the weights of the best epoch; pixels -> logits, once they are scaled.
            result: of its training.
            scale, offset: of its preprocessing.
            facts: of `ModelSpec`, but for those that are worked out here.
            told: what training.json begins with: settings, seed, images of each split.
        """

        def network() -> keras.Model:
            return canonical(model, facts["name"], scale=scale, offset=offset)[0]

        final = network()
        spec = ModelSpec(
            scale=(scale,),
            offset=(offset,),
            digest=graphs.network_digest(final),
            requires=load.required_modules(final),
            **facts,
        )
        write_history(self.history, result.history)
        write_text(self.summary, load.summary_text(model))
        write_json(
            self.training,
            {
                **told,
                "parameters": model.count_params(),
                "epochs": len(result.history),
                "best_epoch": result.best_epoch,
                **{key: result.best[key] for key in ("loss", "accuracy", "val_loss", "val_accuracy")},
            },
        )
        load.save_model(final, self.model)
        spec.save(self.spec)
        epoch_networks.write_epochs(
            self.epochs,
            model,
            final,
            result.kept,
            result.history,
            result.best_epoch,
            network,
            model=spec.name,
            model_digest=spec.identity,
        )
        if self.state:
            last_of_all(functools.partial(forget_state, self.state))
