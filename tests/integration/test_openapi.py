"""What is made from the table of operations: the OpenAPI document, pages of the docs, the TypeScript types."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from hermes_lab.operations import OPERATIONS, STREAMS
from tests.clients import Client
from tests.servers import CHECKOUT

COMMITTED = CHECKOUT / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(COMMITTED.read_text(encoding="utf-8"))
    return found


@pytest.mark.requirement("API-4", "HOUSE-4")
def test_generated_files_are_what_the_product_makes_of_them_now() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/generate", "--check"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.requirement("API-4")
def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


@pytest.mark.requirement("API-4")
def test_the_server_serves_the_committed_document(agent: Client, document: dict[str, Any]) -> None:
    assert agent.get("openapi.json").json() == document


@pytest.mark.requirement("API-4")
def test_every_operation_is_in_the_document_once(document: dict[str, Any]) -> None:
    described = [row["operationId"] for path in document["paths"].values() for row in path.values()]
    assert sorted(described) == sorted(row.name for row in (*OPERATIONS, *STREAMS))
