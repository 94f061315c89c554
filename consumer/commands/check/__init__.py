"""
The command `check`: what is wrong with the settings, and with all that they name.

It writes nothing anywhere.

    command         its options, and how findings are told
    offline         the findings without a network: what the settings say
    online          Kafka, Sesamy and Make.as, as the settings name them
    foreign_types   the count of events of unknown type
"""
