"""Networks that answer a class for every pixel: their masks, how good they are, and why they say so."""
