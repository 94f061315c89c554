"""The command that resyncs every user seen in a range of the topic."""
