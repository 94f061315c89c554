"""The command `dead-letters`: what was parked, listed, shown and asked to be tried again."""
