"""
A town in place of production: for a laptop (`local`), the tests and the benchmarks; no pod runs any of it.

It may not share code with the clients that it is to catch in a mistake: the stand-ins and the referee speak Sesamy's
and Make.as' wire shapes by themselves.

    brokers/    a Kafka of one of four kinds
    stand_ins/  Sesamy's and Make.as' APIs as servers, and what goes wrong at them
    forwarding/  Sesamy's side of the webhook
    children    processes of ours, which end when we say so, and not later than we do
    ports       ports that are free, and stay so over a restart
    publishers  readers, and the events of what happens to them
    oracle      the referee: what every list must hold
    town        publishers, accounts and lists, served; and the settings of a consumer of them
    sown        drift in a town: what differs from Sesamy without any event
    session     one sitting of `local`: receiver and consumer as processes, and their traffic
    drift/      drift that is sown in a sitting, and repaired by `reconcile`
    troubles    the troubles of a sitting: what can befall it, and how it is healed
    chaos       the worst week of a sitting that asks for it
    panel/      troubles at the press of a button
    offers      commands to try beside a sitting
    view        the view that a person has of a sitting
    local       all of it, from the start to the verdict
"""
