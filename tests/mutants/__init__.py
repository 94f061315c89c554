"""Faults built into the consumer one at a time, to see whether the tests notice."""
