"""
A Kafka for a laptop, a test or a benchmark.

It may not know what the topics are for. `container` and `memory` import the extra `local`; only `broker` imports them,
once it is asked for such a broker.

    broker       a broker of any kind, or the best that can be had
    jvm          a node on this machine's JVM
    jars         the files that such a node is made of, fetched once
    container    a broker in a container
    memory       a broker in this process
    topics       topics, made and waited for
    unavailable  the error of what can't be had here
"""
