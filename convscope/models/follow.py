"""A canonical network that follows the model it was made of."""

import keras

from convscope.errors import UserError
from convscope.models.graphs import flat_names
from convscope.models.layer_copies import take_over


class Followed:
    """Knows which layer of a canonical network was made of which layer of a model.

    Args:
        model: it is read, never changed.
        network: made of it by `models.canonical`.

    Attributes:
        works: whether every layer with weights has its own there; where layers were opened, what is within has other names.
    """

    def __init__(self, model: keras.Model, network: keras.Model) -> None:
        try:
            names = flat_names(model)
        except UserError:  # several inputs or outputs: what is explained is built around the model
            names = {}
        live = {names[id(layer)]: layer for layer in model._flatten_layers() if id(layer) in names}
        copies = [layer for layer in network.layers if layer.weights]
        self._pairs = [(live[copy.name], copy) for copy in copies if copy.name in live]
        self.works = len(self._pairs) == len(copies) and all(
            [weight.shape for weight in copy.weights] == [weight.shape for weight in old.weights[: len(copy.weights)]]
            for old, copy in self._pairs
        )

    def refresh(self) -> bool:
        """Give the network the model's weights as they are now; whether that could be done."""
        if self.works:
            for layer, copy in self._pairs:
                take_over(layer, copy)
        return self.works
