"""One bounded exchange over HTTP."""
