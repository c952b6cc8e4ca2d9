"""The built-in provider's web search: a SearXNG server, asked for JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import requests

from hermes_lab.model.payload import JsonObject
from hermes_lab.model.tools import WebSearchArguments

_TIMEOUT: Final = 15.0
"""Seconds that SearXNG may take."""


class Web:
    """Searches, with the answers of Hermes' ``web_search``. An empty ``searxng_url``: none is configured."""

    def __init__(self, searxng_url: str) -> None:
        self._url = searxng_url.rstrip("/")

    async def search(self, arguments: WebSearchArguments) -> JsonObject:
        """``{success, data: {web: [{title, url, description, position}]}}``, or ``{…, error}``."""
        if not self._url:
            return _failure(
                "No web search is configured. Set HermesLab.searxng_url to the address of a SearXNG server "
                "that answers in JSON."
            )
        return await asyncio.to_thread(self._search, arguments)

    def _search(self, arguments: WebSearchArguments) -> JsonObject:
        try:
            response = requests.get(
                f"{self._url}/search",
                params={"q": arguments.query, "format": "json"},
                headers={"Accept": "application/json"},
                timeout=_TIMEOUT,
            )
            response.raise_for_status()
            body = response.json()
        except requests.HTTPError as error:
            return _failure(f"SearXNG answered HTTP {error.response.status_code}.")
        except requests.JSONDecodeError:
            return _failure("What SearXNG answered is no JSON; its settings must list `json` under formats.")
        except requests.RequestException as error:
            return _failure(f"SearXNG cannot be reached: {type(error).__name__}.")
        if not isinstance(body, Mapping) or not isinstance(body.get("results"), list):
            return _failure("What SearXNG answered holds no list of results.")
        found = [result for result in body["results"] if isinstance(result, Mapping)]
        best = sorted(found, key=_score, reverse=True)[: arguments.limit]
        return {
            "success": True,
            "data": {"web": [_result(result, place) for place, result in enumerate(best, start=1)]},
        }


def _score(result: Mapping[str, Any]) -> float:
    score = result.get("score")
    return float(score) if isinstance(score, int | float) else 0.0


def _result(result: Mapping[str, Any], position: int) -> JsonObject:
    return {
        "title": str(result.get("title") or ""),
        "url": str(result.get("url") or ""),
        "description": str(result.get("content") or ""),
        "position": position,
    }


def _failure(error: str) -> JsonObject:
    return {"success": False, "error": error}
