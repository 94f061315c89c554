"""
Everything that touches Kafka; no other folder imports aiokafka, but for the sandbox.

It decides nothing about a user: it hands records to the backlog, and does what the backlog and the ledger say.

    client/           how we reach Kafka, and what its errors mean
    start             what must be so before the group is joined
    intake            polls the topic, pauses, and goes back after any error
    records           what each polled record says, and where that goes
    assignment        which partitions are ours, and what happens when they go and come
    topic_watch       whether the topic is still the one that our offsets are of
    commits           commits what is safe, and so proves that the partitions are still ours
    letter_writer     writes what is to be parked
    letter_follower   reads the dead-letter topic for a pod
    tail              follows the topic's end, for commands that write beside the pods
    describe          asks Kafka what we may do
    rights            what Kafka grants for a purpose, and what is missing
"""
