"""A Postfix of a test's own: in a folder of its own, on a port of loopback, delivering into Maildirs."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.notifier.smtp import Certificate
from tests.support.waiting import soon

_MAIN = """
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/log
maillog_file_prefixes = {home}
myhostname = mx.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = client.example
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = inline:{{ cmalek@client.example=cmalek/ }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
message_size_limit = {size_limit}
mailbox_size_limit = 0
virtual_mailbox_limit = 0
smtpd_recipient_restrictions = check_recipient_access texthash:{home}/etc/access,
    reject_unlisted_recipient, permit_mynetworks, reject
smtpd_tls_security_level = {tls}
smtpd_tls_received_header = yes
smtpd_tls_chain_files = {home}/etc/chain.pem
default_transport = error
relay_transport = error
"""
# Nothing runs in a chroot: it would need files of the system in the folder.
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """One at work on ``port``."""

    home: Path
    port: int

    async def delivered(self, marker: str) -> bytes:
        """The mail to cmalek that holds ``marker``, as soon as it is there."""
        found: list[bytes] = []

        async def arrived() -> bool:
            mails = (path.read_bytes() for path in (self.home / "mail" / "cmalek" / "new").glob("*"))
            found[:] = [mail for mail in mails if marker.encode() in mail]
            return bool(found)

        try:
            await soon(arrived, seconds=20)
        except TimeoutError:
            pytest.fail((self.home / "log").read_text())
        return found[0]


def _usable() -> None:
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only")
    if shutil.which("postfix", path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Postfix is not installed, and with CI=true nothing may be skipped for a missing tool")
        pytest.skip("Postfix is not installed")


@contextmanager
def postfix(proof: Certificate, *, tls: str = "may", size_limit: int = 200_000) -> Iterator[Postfix]:
    """One for as long as the context is open; ``tls`` is Postfix's own word, ``encrypt`` requires it."""
    _usable()
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    account = pwd.getpwnam("nobody")
    # Not pytest's folder: Postfix's processes give up root's rights, and sockets' paths must be short.
    with tempfile.TemporaryDirectory(prefix="postfix-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o755)
        for name in ("etc", "queue", "data", "mail"):
            (home / name).mkdir()
        shutil.chown(home / "data", "postfix")
        shutil.chown(home / "mail", "nobody")
        (home / "etc" / "chain.pem").write_bytes(proof.chain)
        settings = {"home": home, "uid": account.pw_uid, "gid": account.pw_gid, "tls": tls, "size_limit": size_limit}
        (home / "etc" / "main.cf").write_text(_MAIN.format(**settings))
        (home / "etc" / "access").write_text("later@client.example 450 4.7.1 Come back later\n")
        (home / "etc" / "master.cf").write_text(_MASTER.format(port=port))
        _run(home, "start")
        try:
            yield Postfix(home, port)
        finally:
            _run(home, "stop")


def _run(home: Path, what: str) -> None:
    command = ["/usr/sbin/postfix", "-c", str(home / "etc"), what]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    if done.returncode != 0:
        log = home / "log"
        pytest.fail(done.stdout + done.stderr + (log.read_text() if log.exists() else ""))
