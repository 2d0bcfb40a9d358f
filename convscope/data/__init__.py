"""Datasets and image sets: where pictures come from, and which of them are looked at."""
