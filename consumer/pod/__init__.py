"""One process of the group."""
