"""
The shell's side of a command: what it gives, and what it takes.

    stdout        the stdout of a command: a full disk, and a reader that went away
    completion    the words that are completed from the settings
"""
