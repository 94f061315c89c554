"""
The panel of a sitting: troubles at the press of a button, from a browser on this machine.

It may not know how a trouble begins or ends: `troubles` does.

    server    the panel over HTTP, and what it refuses
    page      the panel as HTML, with page.html and page.css
"""
