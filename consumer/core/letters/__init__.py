"""What was parked."""
