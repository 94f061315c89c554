#!/bin/sh
# Grants the least rights with which `run`, `run --dry-run`, `replay` (and `sync`), `reconcile`, `dead-letters` and `receive` work. Reading and writing include describing.
#   BOOTSTRAP=kafka-1:9092 [COMMAND_CONFIG=admin.properties] deploy/kafka/acls.sh
# A principal may be the same for all: set RUN, REPLAY, RECONCILE and LETTERS to one name; give RECEIVE one of its own: the world speaks to it.
set -eu

: "${BOOTSTRAP:?say where Kafka is: BOOTSTRAP=host:port}"
tool=${KAFKA_ACLS:-kafka-acls.sh}
topic=${TOPIC:-sesamy.events}
letters=${DEAD_LETTERS:-$topic.dead-letter}
group=${GROUP:-sesamy-makeas}

allow() {
    principal=$1
    shift
    "$tool" --bootstrap-server "$BOOTSTRAP" ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} --add \
        --allow-principal "User:$principal" "$@"
}

# run: reads the topic as a member of the group; parks letters, and follows them to try again by itself what a gate has held.
allow "${RUN:-sesamy-makeas}" --operation Read --topic "$topic"
allow "${RUN:-sesamy-makeas}" --operation Read --group "$group"
allow "${RUN:-sesamy-makeas}" --operation Read --topic "$letters"
allow "${RUN:-sesamy-makeas}" --operation Write --topic "$letters"

# run --dry-run: reads the topic in a group of its own; parks nothing. The same principal as run, unless DRY_RUN names another.
allow "${DRY_RUN:-${RUN:-sesamy-makeas}}" --operation Read --topic "$topic"
allow "${DRY_RUN:-${RUN:-sesamy-makeas}}" --operation Read --group "$group-dry-run"

# replay, sync: read the topic; join no group, park nothing.
allow "${REPLAY:-sesamy-makeas-replay}" --operation Read --topic "$topic"

# reconcile: reads the topic while it repairs; with --publish it leaves the result of each list among the letters, and reads none.
allow "${RECONCILE:-sesamy-makeas-reconcile}" --operation Read --topic "$topic"
allow "${RECONCILE:-sesamy-makeas-reconcile}" --operation Write --topic "$letters"

# dead-letters: reads the letters, and asks the pods there to try again.
allow "${LETTERS:-sesamy-makeas-letters}" --operation Read --topic "$letters"
allow "${LETTERS:-sesamy-makeas-letters}" --operation Write --topic "$letters"

# receive: writes events, and neither reads them nor touches a group or a letter. Brokers older than 2.8 want IDEMPOTENT_WRITE on the cluster, too:
#   kafka-acls.sh ... --add --allow-principal User:sesamy-makeas-receiver --operation IdempotentWrite --cluster
allow "${RECEIVE:-sesamy-makeas-receiver}" --operation Write --topic "$topic"
