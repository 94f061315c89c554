"""
The switches for what no document of Make.as settles: the settings say which way the API is, and here alone it is put into words.

    words     names, bodies and dates of the calls that write
    tag_ids   the ids of an account's tags
    look_back  the look back at what was written: with a wrong switch an account may keep less, and not say so
"""
