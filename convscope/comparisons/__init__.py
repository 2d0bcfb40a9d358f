"""Which differences between networks are more than those between two trainings of one."""
