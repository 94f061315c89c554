"""
The HTTP that we serve: probes and metrics of any process, and the ground on which a page or a webhook stands.

It knows no path but those of probes and metrics, and asks nothing of anybody.

    listening   a listener that no client can hold up: connections, heads and answers are bounded
    probes      the answers of probes, and the headers of all answers
    scrapes     the text of `/metrics`
"""
