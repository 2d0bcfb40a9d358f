"""What reruns after which change: every leaf of the config, and every kind of file that a study reads."""
