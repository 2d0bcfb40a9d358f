"""In which floating type the layers of a network compute and keep their weights."""

from typing import Any

OTHER_FLOATS = ("float16", "bfloat16", "float64")


def in_float32(config: Any) -> Any:
    """A layer's configuration, and those of the layers inside it, with float32 in place of every other float."""
    if isinstance(config, dict):
        return {
            key: "float32" if key == "dtype" and _compute_dtype(value) in OTHER_FLOATS else in_float32(value)
            for key, value in config.items()
        }
    return type(config)(map(in_float32, config)) if type(config) in (list, tuple) else config


def _compute_dtype(policy: Any) -> str:
    """What a `dtype` in a configuration computes in: a name, or a serialised policy of a name. Empty: neither."""
    if isinstance(policy, dict) and policy.get("class_name") == "DTypePolicyMap":
        return OTHER_FLOATS[0]  # one a layer; which ones they are makes no difference here
    if isinstance(policy, dict) and policy.get("class_name") == "DTypePolicy":
        policy = policy["config"]["name"]
    return policy.removeprefix("mixed_") if isinstance(policy, str) else ""
