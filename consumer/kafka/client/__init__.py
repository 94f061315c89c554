"""How we reach Kafka, and what its errors mean."""
