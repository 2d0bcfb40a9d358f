"""The gallery: a static site of a study's results. No network, no server: it opens from disk."""

from convscope.gallery.build import build_gallery
from convscope.gallery.index import build_index

__all__ = ["build_gallery", "build_index"]
