"""
The commands that an operator types: one file or folder each.

A command's file holds it as `command`. It may use all folders below; no other folder may import a command.

    cli             the table of commands, each imported when it is called, and how the process ends
    run             the command `run`: one pod of the group
    receive/        the command `receive`: one receiver of webhooks, until it is stopped
    status/         the command `status`: what pods say of themselves
    explain         the command `explain`: why a user is not synced yet
    check/          the command `check`: what is wrong with the settings, and with all that they name
    diff            the command `diff`: what a resync would change
    sync            the command `sync`: given users are resynced
    replay/         the command `replay`: the users of a range of the topic are resynced
    reconcile/      the command `reconcile`: every reader of both sides is looked at
    dead_letters/   the command `dead-letters`: what was parked
    local           the command `local`: all of it on this machine
    verify/         the command `verify`: which way the remote APIs are, and which settings to write

What they share:

    console         options, settings, questions, and data as JSON
    terminal        options of commands that draw on a terminal
    drawing         tables and bars
    pods            running pods, asked over HTTP
    shell/          stdout that fails, and what a shell completes
    batch           given users, resynced to their end, beside the pods
"""
