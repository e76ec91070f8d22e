"""A service process for tests: answers on its probe port, and behaves as MANNER says."""

from __future__ import annotations

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Probe(BaseHTTPRequestHandler):
    """Ready, unless the manner is to be unready for ever."""

    def do_GET(self) -> None:
        ready = os.environ["MANNER"] != "unready"
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(b"fine" if ready else b"the database does not answer")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until SIGTERM, or end at once."""
    manner = os.environ["MANNER"]
    if manner == "dies":
        sys.exit("cannot go on")
    if manner == "settings":
        print("PORT is not set", file=sys.stderr)
        sys.exit(2)
    if manner == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("started", flush=True)
    HTTPServer(("127.0.0.1", int(os.environ["PROBE_PORT"])), Probe).serve_forever()


if __name__ == "__main__":
    main()
