"""The sides of the benchmark: each answers the same questions in a process of its own (see `bench.worker`)."""
