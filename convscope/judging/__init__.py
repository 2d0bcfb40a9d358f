"""Judging explanations: do they follow the model, do they find what they should, and do they beat a map that knows nothing."""
