"""
The command `dead-letters`: what was parked, listed, shown and asked to be tried again.

It tries nothing itself: the pods do, once a mark in the topic asks them to.

    command   its options, and what is told of letters
    selectors the selectors: which letters are meant, and what can't be
    codes     the codes that a letter can have
    data      letters as JSON, and which say again what another says
    places    the places of open letters, for a shell
    topic     the dead-letter topic, read to its end, and the marks written to it
"""
