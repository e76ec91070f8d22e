"""What a provider says about itself (OpenID Connect Discovery 1.0, section 3), as far as it is used here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.admin.openid.fetching import Unusable, problem_with_address

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Signatures that are checked with a public key. With a shared secret the token would prove nothing that we could not
have made up ourselves, and a public key taken for such a secret would let everybody make one."""

ClientAuth = Literal["client_secret_post", "client_secret_basic"]
_CLIENT_AUTHS: Final[tuple[ClientAuth, ...]] = ("client_secret_post", "client_secret_basic")


@dataclass(frozen=True, slots=True)
class Metadata:
    """A provider's addresses and abilities. ``names_itself``: its answers carry ``iss`` (RFC 9207)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    client_auth: ClientAuth
    algorithms: tuple[str, ...]
    names_itself: bool


def discovery_address(issuer: str) -> str:
    """Where a provider describes itself."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def metadata_of(issuer: str, document: Mapping[str, Any], *, loopback: bool) -> Metadata:
    """The description of the provider that was asked. Raises Unusable with the field at fault."""
    if document.get("issuer") != issuer:
        # Else one provider could speak for another (Discovery, section 4.3).
        raise Unusable("issuer: It calls itself by another address. Enter the issuer exactly as the provider names it.")

    def endpoint(name: str) -> str:
        value = document.get(name)
        problem = problem_with_address(value, loopback=loopback) if isinstance(value, str) else "It is missing."
        if problem is not None:
            raise Unusable(f"{name}: {problem}")
        return str(value)

    if "code" not in _listed(document, "response_types_supported", ("code",)):
        raise Unusable("response_types_supported: It does not offer the authorization code flow (code).")
    if "S256" not in _listed(document, "code_challenge_methods_supported", ("S256",)):
        raise Unusable("code_challenge_methods_supported: It does not take PKCE with S256.")
    offered = _listed(document, "id_token_signing_alg_values_supported", ("RS256",))
    algorithms = tuple(name for name in ALGORITHMS if name in offered)
    if not algorithms:
        raise Unusable("id_token_signing_alg_values_supported: It signs with nothing that a public key can check.")
    auths = _listed(document, "token_endpoint_auth_methods_supported", ("client_secret_basic",))
    auth = next((name for name in _CLIENT_AUTHS if name in auths), None)
    if auth is None:
        raise Unusable("token_endpoint_auth_methods_supported: It does not take a client secret.")
    return Metadata(
        issuer=issuer,
        authorization_endpoint=endpoint("authorization_endpoint"),
        token_endpoint=endpoint("token_endpoint"),
        jwks_uri=endpoint("jwks_uri"),
        userinfo_endpoint=endpoint("userinfo_endpoint") if "userinfo_endpoint" in document else None,
        client_auth=auth,
        algorithms=algorithms,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _listed(document: Mapping[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """A list of words; ``default`` is what a provider means that does not say."""
    value = document.get(name, default)
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise Unusable(f"{name}: It is no list.")
    return tuple(value)
