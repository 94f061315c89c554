"""
One reader, found: why it got a newsletter or did not, and what to do.

    facts      the facts that are known of it, as data
    history    the history of this pod's last users
    answer     the answer in a sentence, and what is so of each list
    compare    one user beside what Make.as has of it
    lookup     Sesamy and Make.as, asked now; also which user has an address
    allowance  the allowance of lookups: how many the page may begin
    form       the page with the form, as HTML
    routes     that page over HTTP
"""
