"""
The command `receive`: Sesamy's webhook on its way to the topic.

    command    its options, and the settings that it needs
"""
