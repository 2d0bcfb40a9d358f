"""What every filter looks for: the pictures that it fires on, and in words."""
