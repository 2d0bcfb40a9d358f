"""The explanations against independent implementations, on the same weights. Run by `make test-peers`, never by `make test`."""
