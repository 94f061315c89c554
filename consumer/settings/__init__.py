"""What may be set, and what is wrong with it."""
