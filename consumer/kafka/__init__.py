"""Everything that touches Kafka."""
