#!/bin/sh
# Makes the two topics, once. A topic that is there already is left as it is.
#   BOOTSTRAP=kafka-1:9092 [COMMAND_CONFIG=admin.properties] deploy/kafka/topics.sh
# PARTITIONS bounds how many pods can share the work, and can't be raised later without draining the topic first: the key of an event decides
# its partition by its murmur2 modulo their number, so with another number a user's events come from two partitions (deploy/README.md).
set -eu

: "${BOOTSTRAP:?say where Kafka is: BOOTSTRAP=host:port}"
tool=${KAFKA_TOPICS:-kafka-topics.sh}
topic=${TOPIC:-sesamy.events}
letters=${DEAD_LETTERS:-$topic.dead-letter}
days=86400000

make() {
    name=$1
    shift
    "$tool" --bootstrap-server "$BOOTSTRAP" ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} --create --if-not-exists \
        --topic "$name" --replication-factor "${REPLICAS:-3}" --config min.insync.replicas="${MIN_INSYNC:-2}" "$@"
}

# Events: longer than the longest outage to be survived, or than a publisher is to be replayed.
make "$topic" --partitions "${PARTITIONS:-12}" --config cleanup.policy=delete --config retention.ms=$((30 * days))
# Letters: they hold user ids, so no longer than it takes to mend what they wait for; never compacted, each stands for itself.
make "$letters" --partitions 1 --config cleanup.policy=delete --config retention.ms=$((14 * days))
