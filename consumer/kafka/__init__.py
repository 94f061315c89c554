"""
Everything that touches Kafka; no other folder imports aiokafka, but for the sandbox.

It decides nothing about a user: it hands records to the backlog, and does what the backlog and the ledger say.

    client/           the way to Kafka, and what its errors mean
    start             the conditions that must hold before the group is joined
    intake            the intake: it polls the topic, pauses, and goes back after any error
    records           the polled records: what each says, and where that goes
    assignment        the partitions that are ours, and what happens when they go and come
    topic_watch       the topic watch: whether the topic is still the one that our offsets are of
    commits           the committer: it commits what is safe, and so proves that the partitions are still ours
    letter_writer     the writer of what is to be parked
    letter_follower   the reader of the dead-letter topic for a pod
    tail              the topic's end, read for commands that write beside the pods
    describe          the description of what Kafka lets us do
    rights            the rights that Kafka grants for a purpose, and which are missing
"""
