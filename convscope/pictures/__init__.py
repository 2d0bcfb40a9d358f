"""Pixels in, pictures out."""
