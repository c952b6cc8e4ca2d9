"""What the product promises, one sentence each. Tests name these ids, and every id has a test."""

from __future__ import annotations

REQUIREMENTS: dict[str, str] = {
    # Journey 1: run
    "RUN-1": "A run executes a notebook in a fresh kernel with injected parameters, and answers its scraps.",
    "RUN-2": "A result has status, duration_seconds, cells_executed, failed_cell and scraps, whatever happened.",
    "RUN-3": "A failed cell is named by its index and id in the input notebook.",
    "RUN-4": "A dead kernel ends the run, and no cell that did not run is called completed.",
    "RUN-5": "A run that takes longer than it may is ended, with the cell that took the time.",
    "RUN-6": "Cancelling a run ends it with everything that its kernel started.",
    "RUN-7": "The output notebook is on disk whatever happened, and the input notebook is untouched.",
    "RUN-8": "An output notebook that exists is replaced only when that is asked for.",
    "RUN-9": "Whoever waits for a run sees its progress while it goes on.",
    "RUN-10": "A run whose server died is failed and interrupted after the restart.",
    "RUN-11": "Agents cancel their own runs alone.",
    # Journey 2: propose, review, merge
    "PROP-1": "A proposal is made of operations on cells, or of a whole notebook, against the hash that was read.",
    "PROP-2": "A proposal never alters the document.",
    "PROP-3": "A proposal against a hash that the server never gave is refused with the current hash.",
    "PROP-4": "A proposal against an older hash that the server gave is accepted, and shown as stale.",
    "PROP-5": "A base_hash of null proposes a new notebook, which appears when it is merged.",
    "PROP-6": "An agent replaces its own proposal by a newer one, or withdraws it; not those of others.",
    "PROP-7": "What an agent says that a cell printed is never taken over.",
    "PROP-8": "An acknowledged proposal is there after the server died.",
    "REVIEW-1": "A person accepts some changes and rejects others, with comments; the agent sees it.",
    "REVIEW-2": "A proposal in which every change is rejected is closed, and a later accept opens it again.",
    "REVIEW-3": "An accepted or rejected change can be taken back until it is applied.",
    "MERGE-1": "A merge writes exactly what was accepted; everything else in the file stays as it is.",
    "MERGE-2": "A merge may be repeated until no change is pending.",
    "MERGE-3": "A file that moved elsewhere is merged with, not overwritten.",
    "MERGE-4": "Where the accepted changes overlap newer edits, nothing is written and the conflicts are told.",
    "MERGE-5": "A merge that expects another document than there is writes nothing.",
    "MERGE-6": "Hunks of a change can be accepted one by one, and a person can put another text in its place.",
    "EVID-1": "Evidence runs base and proposal with the same parameters in scratch copies and compares the scraps.",
    "EVID-2": "What an agent wrote waits for a person's go where the policy says ask.",
    "EVID-3": "A proposal that does not run has red evidence, which says which cell failed.",
    "EVID-4": "Evidence is shown as stale when the document is no longer what it ran on.",
    "EVID-5": "Where agents may not execute what they wrote, they get no evidence.",
    "DIFF-1": "Any two of a path, a notebook, a run and a proposal can be compared.",
    # Journey 3: tool calls
    "TOOL-1": "A cell reads a file below the root through its agent's tools, without asking anybody.",
    "TOOL-2": "A cell's terminal command runs only after a person allowed exactly that command.",
    "TOOL-3": "A denied tool call is an answer to the cell, and nothing was executed.",
    # Who may do what
    "AUTH-1": "No route answers data to somebody who is nobody.",
    "AUTH-2": "An agent's token is good for hermes_lab's routes alone.",
    "AUTH-3": "An agent does what its scopes name and nothing else; no agent reviews, merges, decides or issues.",
    "AUTH-4": "A revoked or expired token is worth nothing.",
    "AUTH-5": "A cookie alone changes nothing without its XSRF token.",
    "AUTH-6": "A kernel's token is good for its own tool calls, and dead with the kernel.",
    # The contract
    "API-1": "Bad input is answered with status, code and field at fault, and nothing is written.",
    "API-2": "The same Idempotency-Key and request make one thing; another request with the key is refused.",
    "API-3": "Lists are paged, newest first, without repeating or losing anything.",
    "API-4": "The OpenAPI document is valid, served, and the one that is committed.",
    "API-5": "Every error has message, reason, code and details.",
    # The person in the browser
    "UI-1": "A person sees a new proposal in the sidebar, decides about each change and merges it.",
    "UI-2": "A person answers a cell's terminal command on a card.",
    "UI-3": "A run is seen in the sidebar while it goes on.",
    # The house
    "HOUSE-1": "A stopped server leaves no process behind.",
    "HOUSE-2": "The audit log shows tampering.",
    "HOUSE-3": "The migrations make the tables that the code uses.",
    "HOUSE-4": "What the docs name exists, and what exists is in the docs.",
}
