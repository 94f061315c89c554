"""Tests of `consumer/commands/verify`."""
