"""What every job takes, and which jobs share one submission."""
