"""
The way to Kafka, and what its errors mean.

It knows no event, no user and no letter: records are bytes here.

    connect    a member of the group, a reader, a producer, with our options
    clients    aiokafka's clients, with a fence around them
    metadata   the questions to the brokers that aiokafka does not ask
    fetched    the records that a fetch has brought, as they were parsed
    unpacking  the bound of what one poll may unpack, whatever the batches say
    publisher  the writer of records to one topic, with a new producer wherever one has failed
    reader     the reader of partitions without a group
    failures   the meaning of each of Kafka's errors to us
    words      the same meanings in words, for people
"""
