"""What a pod says of itself."""
