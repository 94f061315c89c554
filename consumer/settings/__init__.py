"""
The settings: what may be set, and what is wrong with it.

It opens files and reads the environment, and no connection; no value of a secret is ever quoted.

    model      every setting: name, unit, limit, one sentence
    account    the lists of one vendor that share a credential
    load       the loader: it reads file and environment, and finds everything at once
    rules      the rules of what settings must be to each other
    secret     a secret and where it comes from
    leaves     each value with its path, each secret among them, and what one may be
    tls        the TLS files
    findings   one thing that was looked at: where, what, which cure
    naming     the place of a setting, for people
    placeholders  values that nobody has filled in
    environment   variables that look like a setting's, and are none
"""
