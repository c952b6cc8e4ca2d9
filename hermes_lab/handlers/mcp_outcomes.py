"""Runs, evidence and proposals as a model needs them: what became of them, and what to do next."""

from __future__ import annotations

import json

from hermes_lab.handlers.mcp_notebooks import shortened
from hermes_lab.model.ansi import without_ansi
from hermes_lab.model.mcp import (
    ChangeOutcome,
    EvidenceGlance,
    EvidenceOutcome,
    HeardReview,
    ProposalOutcome,
    RunOutcome,
    SideOutcome,
    SpilledOutput,
)
from hermes_lab.model.payload import JsonObject, Payload
from hermes_lab.model.runs import ENDED

_SCRAP_BYTES = 4_000
_SOURCE_CHARACTERS = 4_000
_TRACEBACK_CHARACTERS = 4_000
_DEPENDENCIES = 50


def run_outcome(run: JsonObject) -> RunOutcome:
    """A run: its result when it has ended, else how to go on waiting."""
    fields = _of(RunOutcome, run)
    result = run["result"]
    if result is not None:
        scraps, large = _small(result["scraps"])
        fields["result"] = {**result, "scraps": scraps, "failed_cell": _failed_cell(result["failed_cell"])}
        fields |= {"scraps_left_out": large} if large else {}
    running = [cell["cell_id"] for cell in run["cells"] if cell["state"] == "running"]
    spilled = [_of(SpilledOutput, cell) for cell in run["cells"] if cell["spilled_to"] is not None]
    fields |= {"running_cell_id": running[0]} if running else {}
    fields |= {"spilled": spilled} if spilled else {}
    if run["state"] not in ENDED:
        fields["next_step"] = "It goes on. Call get_run with this run_id and a wait."
    elif run["state"] == "failed" and result is not None and result["failed_cell"] is not None:
        fields["next_step"] = "Read the failed cell, then propose_change with a fix."
    return RunOutcome.model_validate(fields)


def evidence_outcome(evidence: JsonObject) -> EvidenceOutcome:
    """Evidence: verdict and scraps when it is there, else whom it waits for."""
    scraps, large = [], {}
    for scrap in evidence["scraps"]:
        size = _size([scrap["before"], scrap["after"]])
        if size > _SCRAP_BYTES:
            large[scrap["name"]] = size
        else:
            scraps.append(scrap)
    fields = _of(EvidenceOutcome, evidence) | {
        "base": _side(evidence["base"]),
        "proposal": _side(evidence["proposal"]),
        "scraps": scraps,
        **({"scraps_left_out": large} if large else {}),
    }
    if evidence["awaiting_approval"]:
        fields["next_step"] = (
            "A person must let it run, in JupyterLab. Call get_evidence with a wait, or go on without."
        )
    elif evidence["state"] in ("pending", "running"):
        fields["next_step"] = "It goes on. Call get_evidence with this evidence_id and a wait."
    return EvidenceOutcome.model_validate(fields)


def proposal_outcome(proposal: JsonObject) -> ProposalOutcome:
    """A proposal: decisions, reasons, comments and what reviewers are warned of, without its cells."""
    words = [note["words"] for note in proposal["dependencies"]]
    fields = _of(ProposalOutcome, proposal) | {
        "changes": [_change(change) for change in proposal["changes"]],
        "dependencies": words[:_DEPENDENCIES],
        **({"dependencies_left_out": len(words) - _DEPENDENCIES} if len(words) > _DEPENDENCIES else {}),
        "evidence": [_of(EvidenceGlance, evidence) for evidence in proposal["evidence"]],
    }
    if proposal["state"] == "open":
        fields["next_step"] = _what_an_open_proposal_needs(proposal)
    return ProposalOutcome.model_validate(fields)


def heard_review(outcome: JsonObject) -> HeardReview:
    """What became of a proposal; a change of which there is nothing to say is short."""
    always = {"change_id", "state", "decision"}
    changes = [
        {name: value for name, value in change.items() if value or name in always} for change in outcome["changes"]
    ]
    fields = {**outcome, "changes": changes}
    if outcome["state"] == "superseded":
        fields["next_step"] = "A newer version took its place: wait for the review of superseded_by."
    elif outcome["state"] == "open" and outcome["decided"]:
        fields["next_step"] = "Every change is decided; the person merges. Wait on with this version as `since`."
    elif outcome["state"] == "open":
        fields["next_step"] = "Call wait_for_review again, with this version as `since`, to hear the next decision."
    elif outcome["state"] == "rejected":
        fields["next_step"] = "Read the reasons; propose anew only what answers them."
    return HeardReview.model_validate(fields)


def _change(change: JsonObject) -> JsonObject:
    fields = _of(ChangeOutcome, change)
    return {name: value for name, value in fields.items() if value or name != "rationale"}


def _what_an_open_proposal_needs(proposal: JsonObject) -> str:
    if proposal["conflicted"]:
        return "The notebook changed where the proposal does. Read it again and propose anew, with `supersedes`."
    if not proposal["evidence"]:
        return "Call create_evidence to show that it runs, then wait_for_review."
    return "A person decides. Call wait_for_review with this version as `since`."


def _of(payload: type[Payload], answer: JsonObject) -> JsonObject:
    """The fields of the answer that the payload has too."""
    return {name: answer[name] for name in payload.model_fields if name in answer}


def _side(run: JsonObject | None) -> SideOutcome | None:
    if run is None:
        return None
    result = run["result"]
    if result is None:
        return SideOutcome(state=run["state"])
    return SideOutcome(
        state=run["state"],
        duration_seconds=result["duration_seconds"],
        failed_cell=_failed_cell(result["failed_cell"]),  # type: ignore[arg-type]
    )


def _failed_cell(cell: JsonObject | None) -> JsonObject | None:
    if cell is None:
        return None
    source, _ = shortened(cell["source"], _SOURCE_CHARACTERS)
    traceback, _ = shortened(without_ansi("\n".join(cell["traceback"])), _TRACEBACK_CHARACTERS)
    evalue, _ = shortened(without_ansi(cell["evalue"]), _SOURCE_CHARACTERS)
    return {**cell, "source": source, "evalue": evalue, "traceback": traceback.splitlines()}


def _small(scraps: JsonObject) -> tuple[JsonObject, dict[str, int]]:
    sizes = {name: _size(value) for name, value in scraps.items()}
    large = {name: size for name, size in sizes.items() if size > _SCRAP_BYTES}
    return {name: value for name, value in scraps.items() if name not in large}, large


def _size(value: object) -> int:
    return len(json.dumps(value).encode())
