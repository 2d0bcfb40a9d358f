"""Checks across a study's configuration: every name must lead somewhere, before any work is done."""

from convscope.check.datasets import classes_of, splits_of
from convscope.check.explanations import gap_head_of
from convscope.check.models import classes_of_model
from convscope.check.study import check_study

__all__ = ["check_study", "classes_of", "classes_of_model", "gap_head_of", "splits_of"]
