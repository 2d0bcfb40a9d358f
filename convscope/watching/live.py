"""The canonical form of a model whose training goes on."""

from typing import Any

import keras

from convscope.models.follow import Followed
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
        # Layers that were opened have other names within; of such a model all is made anew each time.
        self._followed = Followed(self._model, self.network)

    def refresh(self) -> bool:
        """Take over the model's weights as they are now; whether the network had to be made anew for it."""
        if self._followed.refresh():
            return False
        self._import()
        return True
