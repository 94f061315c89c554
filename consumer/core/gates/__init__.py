"""What stands before an upstream."""
