"""What breaks a Kafka from outside: a network that misbehaves, and a cluster whose brokers go one by one."""
