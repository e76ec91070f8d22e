"""The addresses and claims of the identity provider of tests; imported in its own process alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import include, path
from oauth2_provider.oauth2_validators import OAuth2Validator


class Claims(OAuth2Validator):
    """The standard claims, by the scopes that the toolkit has for them."""

    def get_additional_claims(self, request: Any) -> dict[str, Any]:
        """Of whoever has signed in."""
        user = request.user
        return {
            "preferred_username": user.username,
            "email": user.email,
            "email_verified": user.last_name == "verified",
        }


urlpatterns = [
    path("admin/", admin.site.urls),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]
