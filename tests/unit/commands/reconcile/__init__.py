"""Tests of the command `reconcile`."""
