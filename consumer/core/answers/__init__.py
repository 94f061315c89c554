"""What others answer, and how it is read."""
