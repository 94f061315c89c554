"""Fetches a user, maps it, writes it to every list."""
