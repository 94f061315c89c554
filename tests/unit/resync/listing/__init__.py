"""Tests of the lists of all readers and contacts."""
