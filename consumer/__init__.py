"""
The consumer: it keeps Make.as in step with Sesamy.

The walk of one event, from its record to the commit:

      kafka/intake      polls a record, and hands it to `records`
      core/events       decodes it; unreadable -> dead letter; unknown type or vendor, a null value -> counted, and shown
      core/backlog      merges it into its user, which is due after a quiet time; a token holds the event's offset open
      resync/workers    take the longest-due user whose gates let it in, urgent ones first; one run of a user at a time
      resync/run        fetches the user from Sesamy, and writes it to every account at once
      core/mapping      makes documents of what was fetched
      resync/makeas     [read contact -> upsert contact with tags] beside [products], then [subscriptions]
      core/backlog      nothing owed -> the tokens older than the run are closed; else it is owed again, after a backoff
      kafka/commits     commits, of each partition, the offset of its oldest open token

What can't be written:

      core/backlog            gives a debt up that was tried too often
      core/letters            puts it into a letter
      kafka/letter_writer     writes the letter to the dead-letter topic
      kafka/letter_follower   reads it back: held letters are tried again by themselves, others when asked

Beside the walk:

      resync/filters     asks each vendor whether it heeds which user's rows are asked for; until it has said so, no user of it is fetched
      resync/registers   reads which contacts left each list, and keeps that fresh; until it is read, no user is put on that list

Before the walk, where Sesamy's webhook feeds the topic:

      receiver/webhook         takes a request by its secret, and says 202 only once the topic has what it brought
      core/webhook             reads its body: of each event the ids, and the key that puts a user on one partition
      kafka/client/publisher   writes them, with a new producer wherever one has failed

The folders; each may import from those below it only (`pod` and `receiver` stand side by side, and so do `kafka` and `resync`):

    __main__     the way in
    commands/    the commands that an operator types: one file or folder each
    sandbox/     broker, stand-ins and traffic, for a laptop and the tests
    pod/         one process of the group, its life and what it says of itself
    receiver/    Sesamy's webhook on its way to the topic: a process of its own
    kafka/       everything that touches Kafka
    resync/      the runs: each fetches a user, maps it, writes it to every list
    telemetry/   logs, metrics, traces
    settings/    the settings: what may be set, and what is wrong with it
    core/        the core: it decides; no I/O, no clock, no chance, no log

`DESIGN.md` beside this file says why.
"""

__version__ = "0.1.0"
