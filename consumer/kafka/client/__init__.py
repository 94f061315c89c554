"""
How we reach Kafka, and what its errors mean.

It knows no event, no user and no letter: records are bytes here.

    connect    a member of the group, a reader, a producer, with our options
    clients    aiokafka's clients, with a fence around them
    metadata   what aiokafka does not ask of the brokers
    fetched    what a fetch has brought, as it was parsed
    unpacking  what one poll may unpack, whatever the batches say
    publisher  writes records to one topic, with a new producer wherever one has failed
    reader     reads partitions without a group
    failures   what each of Kafka's errors means to us
    words      the same in words, for people
"""
