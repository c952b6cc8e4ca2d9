"""docs/configuration.md, from the traits of the server extension."""

from __future__ import annotations

from traitlets import Dict, Enum, TraitType

from hermes_lab.app import HermesLab

_HEAD = """# Configuration

<!-- Written by scripts/generate from hermes_lab/app.py. -->

Settings of the server extension. Give them on the command line, `jupyter lab --HermesLab.agent_execution=deny`,
or in `jupyter_server_config.py`, `c.HermesLab.agent_execution = "deny"`.

| setting | type | default | what it does |
|---|---|---|---|
"""


def text() -> str:
    """One row for each trait of ours; those that every Jupyter extension has are Jupyter's to explain."""
    return _HEAD + "".join(_row(name, trait) for name, trait in sorted(own_traits().items()))


def own_traits() -> dict[str, TraitType]:
    """The configurable traits that HermesLab itself defines."""
    configurable = HermesLab.class_traits(config=True)
    return {name: trait for name, trait in configurable.items() if trait.this_class is HermesLab}


def _row(name: str, trait: TraitType) -> str:
    computed = "Default:" in trait.help
    default = "computed" if computed else f"`{trait.default_value_repr()}`"
    return f"| `HermesLab.{name}` | {_type(trait)} | {default} | {trait.help} |\n"


def _type(trait: TraitType) -> str:
    if isinstance(trait, Enum):
        return " or ".join(f"`{value}`" for value in trait.values)
    return "object" if isinstance(trait, Dict) else trait.info().removeprefix("a ").removeprefix("an ")
