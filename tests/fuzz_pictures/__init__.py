"""Pictures of every format, damaged in every way, through the reading path: `make fuzz`."""
