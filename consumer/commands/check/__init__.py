"""The command `check`: what is wrong with the settings, and with all that they name."""
