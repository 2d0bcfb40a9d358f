"""Concept vectors: which directions of a layer concepts are, which of them a class depends on, and concepts found without labels."""
