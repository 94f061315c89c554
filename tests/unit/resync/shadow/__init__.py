"""A dry run: what it says, and that it writes nothing."""
