"""What happened, whoever recorded it, and whether the promises held."""
