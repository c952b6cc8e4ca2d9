"""A session with the official MCP SDK as the client; runs in the SDK's own environment and prints JSON.

python mcp_sdk_client.py URL TOKEN MODE PATH
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def session(url: str, token: str, mode: str, path: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=90, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        tools = await client.list_tools()
        read = await client.call_tool("get_notebook", {"path": path})
        run = await client.call_tool("run_notebook", {"input_path": path, "wait": 60})
        refused = await client.call_tool("get_notebook", {"path": "no/such.ipynb"})
        return {
            "server": client.server_info.name,
            "revision": client.protocol_version,
            "tools": [tool.name for tool in tools.tools],
            "cells": [cell["id"] for cell in read.structured_content["cells"]],
            "run": run.structured_content["state"],
            "refused": [refused.is_error, refused.structured_content["code"]],
        }


json.dump(asyncio.run(session(*sys.argv[1:])), sys.stdout)
