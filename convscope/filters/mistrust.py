"""What is raised where the fast path is not believed."""


class Mistrust(Exception):
    """The written-out trunk does not compute what Keras does; the message names the layer."""
