"""The containers' health check: ends with 0 when the service says that it is ready, else tells what is missing."""

from __future__ import annotations

import http.client
import sys


def main(port: int = 9090) -> int:
    """Ask the probe port: it is open from start to end, unlike the port for traffic."""
    probe = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        probe.request("GET", "/readyz")
        answer = probe.getresponse()
        body = answer.read(4096).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        sys.stdout.write(f"no answer on port {port}: {error}\n")
        return 1
    finally:
        probe.close()
    sys.stdout.write(f"{body}\n")
    return 0 if answer.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
