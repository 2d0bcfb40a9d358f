"""What every layer answers to a set of images."""
