"""A real identity provider: Django with django-oauth-toolkit, in a process of its own, on loopback.

``python -m tests.support.identity_provider '{"port": ..., ...}'`` serves until it is ended; see `Provider`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ops.stack.ports import free_port

CLIENT_ID = "portico: staff & co"
CLIENT_SECRET = "not+secret%at:all"
PASSWORD = "provider-password-of-tests"
_ROOT = Path(__file__).parents[2]
_START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in there with :data:`PASSWORD`."""

    username: str
    email: str = ""
    email_verified: bool = True


@dataclass(frozen=True, slots=True)
class Provider:
    """The process, and how its issuer is called."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/o"


@contextmanager
def running(
    accounts: Sequence[Account], redirect_uris: Sequence[str], *, client_auth: str = "client_secret_post"
) -> Iterator[Provider]:
    """Start one that knows these people and us, and says that it takes our secret this way."""
    with tempfile.TemporaryDirectory(prefix="portico-provider-") as folder:
        told = {
            "port": (port := free_port()),
            "folder": folder,
            "accounts": [asdict(account) for account in accounts],
            "redirect_uris": list(redirect_uris),
            "client_auth": client_auth,
        }
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, json.dumps(told)], cwd=_ROOT, stdout=output, stderr=output
            )
        provider = Provider(port, process)
        try:
            _wait(provider, log)
            yield provider
        finally:
            process.kill()
            process.wait()


def _wait(provider: Provider, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{provider.issuer}/.well-known/openid-configuration", timeout=5):
                return
        except OSError:
            if provider.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the provider did not start:\n{log.read_text()[-4000:]}") from None
            time.sleep(0.05)


def _configure(told: dict[str, Any]) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from django.conf import settings

    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    contrib = "django.contrib."
    settings.configure(
        SECRET_KEY="only-for-tests",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="tests.support.identity_provider_site",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{told['folder']}/db"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            *(f"{contrib}{name}" for name in ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")),
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            f"{contrib}sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            f"{contrib}auth.middleware.AuthenticationMiddleware",
            f"{contrib}messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        f"{contrib}auth.context_processors.auth",
                        f"{contrib}messages.context_processors.messages",
                    ]
                },
            }
        ],
        STATIC_URL="/static/",
        # The admin site's form, which is the only one that comes with the packages.
        LOGIN_URL="/admin/login/",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        USE_TZ=True,
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{told['port']}/o",
            "OIDC_RSA_PRIVATE_KEY": pem,
            "OIDC_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": [told["client_auth"]],
            "SCOPES": {"openid": "OpenID Connect", "profile": "Profile", "email": "E-mail"},
            "OAUTH2_VALIDATOR_CLASS": "tests.support.identity_provider_site.Claims",
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
        },
    )


def _fill(told: dict[str, Any]) -> None:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    for account in told["accounts"]:
        User.objects.create_user(
            account["username"],
            account["email"],
            PASSWORD,
            is_staff=True,
            last_name="verified" if account["email_verified"] else "",
        )
    Application.objects.create(
        name="Portico",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=" ".join(told["redirect_uris"]),
        algorithm=Application.RS256_ALGORITHM,
        skip_authorization=True,
    )


def main() -> None:
    """Serve."""
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIServer, make_server

    told = json.loads(sys.argv[1])
    _configure(told)
    import django
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.wsgi import get_wsgi_application

    django.setup()
    _fill(told)

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    # The admin site's form wants its style sheets, which Django serves only where it is told to.
    django.conf.settings.DEBUG = True
    application = StaticFilesHandler(get_wsgi_application())
    make_server("127.0.0.1", told["port"], application, server_class=Server).serve_forever()


if __name__ == "__main__":
    main()
