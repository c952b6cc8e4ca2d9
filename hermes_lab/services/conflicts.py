"""Where a change overlaps what local has become, as far as no resolution settles it."""

from __future__ import annotations

from dataclasses import dataclass, field

from hermes_lab.model.decisions import Resolution
from hermes_lab.model.proposals import Conflict


@dataclass
class Conflicts:
    """Collects the conflicts of one change."""

    change_id: str
    cell_id: str | None
    resolution: Resolution | None
    found: list[Conflict] = field(default_factory=list)

    def add(self, where: str, base: str | None, local: str | None, remote: str | None) -> None:
        """Record that the sides differ, unless a resolution says which one holds."""
        if self.resolution is None:
            sides = {"base": base, "local": local, "remote": remote}
            conflict = {"change_id": self.change_id, "cell_id": self.cell_id, "where": where}
            self.found.append(Conflict.model_validate(conflict | sides))

    @property
    def remote_wins(self) -> bool:
        """Whether the proposed side holds where there is no way to have both."""
        return self.resolution in {"remote", "edited"}
