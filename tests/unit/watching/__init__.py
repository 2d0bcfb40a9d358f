"""Tests of `convscope.watching`."""
