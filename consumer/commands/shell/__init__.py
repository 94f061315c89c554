"""
What a shell gives a command, and takes from it.

    stdout        where data go: a full disk, and a reader that went away
    completion    what is completed from the settings
"""
