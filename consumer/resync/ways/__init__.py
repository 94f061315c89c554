"""
What no document of Make.as settles, a switch each: the settings say which way the API is, and here alone it is put into words.

    words     names, bodies and dates of the calls that write
    tag_ids   the ids of an account's tags
    look_back  whether an account keeps what it takes: with a wrong switch it may say nothing
"""
