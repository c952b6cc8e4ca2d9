"""Figures: what was measured of us and of the incumbent, the ratio of the medians, and whether the goal is met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

Kind = Literal["ratio_at_most", "ratio_at_least", "ours_at_most", "ours_at_least", "none"]


@dataclass(frozen=True)
class Goal:
    """A bound of the ratio ours / incumbent, or of ours alone."""

    kind: Kind = "none"
    limit: float = 0.0

    def __str__(self) -> str:
        match self.kind:
            case "none":
                return ""
            case "ratio_at_most":
                return f"<= {self.limit:g}x"
            case "ratio_at_least":
                return f">= {self.limit:g}x"
            case "ours_at_most":
                return f"<= {self.limit:g}"
            case "ours_at_least":
                return f">= {self.limit:g}"


@dataclass(frozen=True)
class Figure:
    """One line of the table. ``theirs`` is empty where there is nothing to compare with."""

    row: str
    operation: str
    unit: str
    goal: Goal
    ours: Sequence[float]
    theirs: Sequence[float] = ()

    @property
    def our_median(self) -> float:
        """Of all repetitions."""
        return median(self.ours)

    @property
    def their_median(self) -> float | None:
        """Of all repetitions."""
        return median(self.theirs) if self.theirs else None

    @property
    def ratio(self) -> float | None:
        """Our median over theirs."""
        return self.our_median / self.their_median if self.their_median else None

    @property
    def verdict(self) -> Literal["ok", "short", ""]:
        """Whether the goal is met; empty where there is none."""
        if self.goal.kind == "none":
            return ""
        of_ratio = self.goal.kind.startswith("ratio")
        value = self.ratio if of_ratio else self.our_median
        if value is None:
            return "short"
        met = value <= self.goal.limit if self.goal.kind.endswith("at_most") else value >= self.goal.limit
        return "ok" if met else "short"

    def as_json(self) -> dict[str, Any]:
        """Everything that was measured."""
        return {
            "row": self.row,
            "operation": self.operation,
            "unit": self.unit,
            "goal": str(self.goal),
            "ours": list(self.ours),
            "incumbent": list(self.theirs),
            "ratio": self.ratio,
            "verdict": self.verdict,
        }


def at_most(limit: float) -> Goal:
    """Ours is at most this part of theirs."""
    return Goal("ratio_at_most", limit)


def at_least(limit: float) -> Goal:
    """Ours is at least so many times theirs."""
    return Goal("ratio_at_least", limit)


def itself_at_most(limit: float) -> Goal:
    """Ours is at most this, in the unit of the row."""
    return Goal("ours_at_most", limit)


def itself_at_least(limit: float) -> Goal:
    """Ours is at least this, in the unit of the row."""
    return Goal("ours_at_least", limit)


_HEADINGS = ("row", "operation", "unit", "ours", "incumbent", "ratio", "goal", "")


def table(figures: Sequence[Figure]) -> str:
    """The figures as text for a terminal."""
    lines = [_HEADINGS, *(_line(figure) for figure in figures)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if 2 < column < 6 else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _line(figure: Figure) -> tuple[str, ...]:
    ratio = "" if figure.ratio is None else f"{figure.ratio:.3f}x"
    theirs = "" if figure.their_median is None else _number(figure.their_median)
    ours = _number(figure.our_median)
    return figure.row, figure.operation, figure.unit, ours, theirs, ratio, str(figure.goal), figure.verdict


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
