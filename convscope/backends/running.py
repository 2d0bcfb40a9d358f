"""The backend that Keras runs on: the functions of its file.

- `compiled(function, signature, variables)`: the function as one compiled step.
- `value_and_gradient(function, x)`: what a function gives, and the gradient of the first of it with respect to `x`.
- `vjp(function, x)`: what a function gives, and what takes a gradient with respect to it back to `x`.
- `learner(model, optimizer, loss, signature)`: one compiled step of learning.
- `deterministic()`: the same operations give the same bits from now on.
- `to_numpy(tensor)`: its numbers; `without_copy(tensor)`: where they lie, to be read only.
- `filtered`, `from_amplitudes`, `to_amplitudes`: spatial frequencies of planes; `enlarged`: bicubic.
- `has_gpu()`: whether a graphics processor computes.
- `REFUSALS`: what Keras on it raises where arrays do not fit an operation.
- `inside_a_network()`: a context in which layers may be called on their own, whatever they are called.
"""

import keras

NAME: str = keras.backend.backend()

if NAME == "jax":
    from convscope.backends.jax import (
        REFUSALS,
        compiled,
        deterministic,
        enlarged,
        filtered,
        from_amplitudes,
        has_gpu,
        inside_a_network,
        learner,
        to_amplitudes,
        to_numpy,
        value_and_gradient,
        vjp,
        without_copy,
    )
elif NAME == "torch":
    from convscope.backends.torch import (
        REFUSALS,
        compiled,
        deterministic,
        enlarged,
        filtered,
        from_amplitudes,
        has_gpu,
        inside_a_network,
        learner,
        to_amplitudes,
        to_numpy,
        value_and_gradient,
        vjp,
        without_copy,
    )
else:
    from convscope.backends.tensorflow import (
        REFUSALS,
        compiled,
        deterministic,
        enlarged,
        filtered,
        from_amplitudes,
        has_gpu,
        inside_a_network,
        learner,
        to_amplitudes,
        to_numpy,
        value_and_gradient,
        vjp,
        without_copy,
    )

__all__ = [
    "NAME",
    "REFUSALS",
    "compiled",
    "deterministic",
    "enlarged",
    "filtered",
    "from_amplitudes",
    "has_gpu",
    "inside_a_network",
    "learner",
    "to_amplitudes",
    "to_numpy",
    "value_and_gradient",
    "vjp",
    "without_copy",
]
