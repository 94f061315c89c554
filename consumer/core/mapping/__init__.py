"""What Sesamy says, and what Make.as is told."""
