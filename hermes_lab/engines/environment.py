"""The environment that a tool's command gets: the server's, without what looks like a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECRET_NAME = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|KEY|AUTH|COOKIE|_DSN$|DATABASE_URL|CONNECTION_STRING"
    r"|^(AWS|AZURE|GCP|GITEA|GITHUB|GITLAB|HERMES_LAB|JPY|JUPYTERHUB)_",
    re.IGNORECASE,
)
_PASSWORD_IN_URL = re.compile(r"://[^/\s@]+@")


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """What is left when every variable whose name or value looks like a secret is gone."""
    return {
        name: value
        for name, value in environment.items()
        if not _SECRET_NAME.search(name) and not _PASSWORD_IN_URL.search(value)
    }
