"""
The command `check`: what is wrong with the settings, and with all that they name.

It writes nothing anywhere.

    command         its options, and how findings are told
    offline         what the settings say, without a network
    online          Kafka, Sesamy and Make.as, as the settings name them
    foreign_types   how many events of unknown type there are
"""
