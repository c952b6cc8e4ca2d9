"""Parameters in YAML, read as papermill reads them: a date stays the text that it is."""

from __future__ import annotations

from typing import Any

from hermes_lab.model.errors import InvalidRequest
from hermes_lab.model.payload import JsonObject


def parameters_in(text: str | bytes, source: str) -> JsonObject:
    """The parameters in a YAML text; ``source`` names it in errors.

    Raises:
        InvalidRequest: it is no YAML, or no mapping.
    """
    import yaml
    from papermill.iorw import NoDatesSafeLoader

    try:
        # papermill's loader is PyYAML's safe one
        return _mapping(yaml.load(text, Loader=NoDatesSafeLoader), source)  # noqa: S506
    except yaml.YAMLError as error:
        raise InvalidRequest(f"{source} is no YAML: {error}", code="invalid_parameters", field="parameters") from error


def parameters_of_file(path: str) -> JsonObject:
    """The parameters in a YAML or JSON file, which may be at a URL.

    Raises:
        InvalidRequest: it cannot be read, is no YAML, or no mapping.
    """
    import yaml
    from papermill.iorw import read_yaml_file

    try:
        return _mapping(read_yaml_file(path), path)
    except InvalidRequest:
        raise
    except (yaml.YAMLError, OSError, ValueError) as error:
        raise InvalidRequest(
            f"{path} cannot be read: {error}", code="invalid_parameters", field="parameters"
        ) from error


def _mapping(loaded: Any, source: str) -> JsonObject:
    if loaded is None:
        return {}
    if not isinstance(loaded, dict) or not all(isinstance(name, str) for name in loaded):
        raise InvalidRequest(f"{source} does not map names to values.", code="invalid_parameters", field="parameters")
    return loaded
