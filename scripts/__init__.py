"""One small program a rule, named like the rule."""
