"""Random networks: valid Keras graphs, what the library makes of them, and the smallest one on which it differs."""
