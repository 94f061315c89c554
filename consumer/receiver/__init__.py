"""
Sesamy's webhook on its way to the topic: a process of its own, beside the pods.

It decides nothing about a user: what an event is, the core says; what becomes of it, the pods. It says that it has an event only
once the topic has it.

    process    the process: it starts the parts in order, answers the probes, and ends by signals
    needs      the settings as a receiver needs them
    webhook    the webhook: what one request is answered
    door       the door: which requests come in, by the secret, and how many at once
    body       a request's body, in time and within its size
    words      the words of an answer: what each code means, and what to do
    seldom     a line of the log for each kind of refusal, now and then
"""
