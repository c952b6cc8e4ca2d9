"""What a command may know of the server's environment."""

from __future__ import annotations

import pytest

from hermes_lab.engines.environment import without_secrets

pytestmark = pytest.mark.requirement("TOOL-6")


@pytest.mark.parametrize(
    "name",
    [
        "JUPYTER_TOKEN",
        "JUPYTERHUB_API_URL",
        "HERMES_LAB_KERNEL_TOKEN",
        "HERMES_LAB_URL",
        "OPENAI_API_KEY",
        "AWS_SESSION_NAME",
        "GITEA_HOST",
        "github_pat_token",
        "DB_PASSWORD",
        "MYSQL_PASSWD",
        "CLIENT_SECRET",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "SSH_AUTH_SOCK",
        "DATABASE_URL",
        "SENTRY_DSN",
    ],
)
def test_a_variable_that_is_named_like_a_secret_is_left_out(name: str) -> None:
    assert without_secrets({name: "canary", "HOME": "/home/me"}) == {"HOME": "/home/me"}


def test_an_address_with_a_password_in_it_is_left_out() -> None:
    environment = {"HTTPS_PROXY": "http://me:canary@proxy:3128", "HTTP_PROXY": "http://proxy:3128"}
    assert without_secrets(environment) == {"HTTP_PROXY": "http://proxy:3128"}


def test_what_a_shell_needs_is_kept() -> None:
    environment = {"PATH": "/usr/bin", "HOME": "/home/me", "LANG": "C.UTF-8", "PWD": "/home/me", "USER": "me"}
    assert without_secrets(environment) == environment
