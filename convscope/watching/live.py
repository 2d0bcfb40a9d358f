"""The canonical form of a model whose training goes on."""

from typing import Any

import keras

from convscope.errors import UserError
from convscope.models.graphs import flat_names
from convscope.models.layer_copies import take_over
from convscope.models.load import import_network
from convscope.models.spec import ModelSpec
from convscope.notebook.models import runnable, said
from convscope.notebook.settings import of_model


class LiveNetwork:
    """A flat float32 network of logits, with the weights that the model had when `refresh` was last called.

    It is unrolled and compared with the model once, at the start; later its weights alone follow, so that nothing is traced anew.

    Args:
        model: one picture in and one classification out; it is read, never changed.
        settings: what it does not say of itself: `classes`, `preprocessing` ..., as of a file under `models:`.

    Attributes:
        network, spec: see `models.canonical`.

    Raises:
        UserError: it is no such model, or the settings do not fit it.
    """

    network: keras.Model
    spec: ModelSpec

    def __init__(self, model: keras.Model, settings: dict[str, Any]) -> None:
        self._model, self._settings = model, of_model(settings)
        self._import()

    def _import(self) -> None:
        name = runnable(self._model.name)
        self.network, self.spec = said(name, lambda: import_network(name, self._model, self._settings))
        try:
            names = flat_names(self._model)
        except UserError:  # several inputs or outputs: what is explained is built around the model
            names = {}
        live = {names[id(layer)]: layer for layer in self._model._flatten_layers() if id(layer) in names}
        copies = [layer for layer in self.network.layers if layer.weights]
        pairs = [(live[copy.name], copy) for copy in copies if copy.name in live]
        # Layers that were opened have other names within; of such a model all is made anew each time.
        alike = len(pairs) == len(copies) and all(
            [weight.shape for weight in copy.weights] == [weight.shape for weight in old.weights[: len(copy.weights)]]
            for old, copy in pairs
        )
        self._pairs = pairs if alike else None

    def refresh(self) -> bool:
        """Take over the model's weights as they are now; whether the network had to be made anew for it."""
        if self._pairs is None:
            self._import()
            return True
        for layer, copy in self._pairs:
            take_over(layer, copy)
        return False
