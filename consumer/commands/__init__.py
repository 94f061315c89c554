"""
What an operator types: one file, or folder, a command.

`cli` has the table of commands and imports each when it is called; a file holds its command as `command`, with the work.

    run           one pod of the group
    status        what pods say of themselves      explain       why a user is not synced yet
    check/        what is wrong with the settings  diff          what a resync would change
    sync          resync given users               replay/       resync those of a range of the topic
    dead_letters/ what was parked                  local         all of it on this machine

What they share: `console` options, questions and JSON; `drawing` tables and bars; `terminal` what one may be given;
`pods` asks pods; `batch` runs given users to their end, beside the pods.
"""
