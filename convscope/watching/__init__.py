"""A model while it learns: what it says of chosen pictures and where it looks, epoch by epoch."""
