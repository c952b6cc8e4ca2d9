"""Recording how runs were made: what only the moment of the run can tell is kept, the rest is in the run."""

from __future__ import annotations

import asyncio
import platform
import socket
from datetime import datetime
from pathlib import Path

from hermes_lab._version import __version__
from hermes_lab.engines import papermill
from hermes_lab.engines.git import revision_of
from hermes_lab.model.evidence import Environment
from hermes_lab.model.run_records import RunCircumstances, RunRecord
from hermes_lab.model.runs import Run
from hermes_lab.services.installed_kernels import KernelDescriptions
from hermes_lab.store import Store


class RunRecords:
    """Keeps the circumstances of runs, each environment once."""

    def __init__(self, store: Store, kernel_descriptions: KernelDescriptions) -> None:
        self._store = store
        self._kernel_descriptions = kernel_descriptions
        # Looked up among all that is installed, which does not change while the server runs.
        self._papermill_version = papermill.version()

    async def observe(self, run: Run, document: Path) -> RunCircumstances:
        """What is so while the run begins. ``document`` is the file of its notebook."""
        kernels = await self._kernel_descriptions()
        return RunCircumstances(
            run_id=run.run_id,
            created_at=run.created_at,
            queued_at=None,
            kernel=kernels.get(run.kernel_name),
            environment_hash=None,
            git=await asyncio.to_thread(revision_of, document),
            host=socket.gethostname(),
            platform=platform.platform(),
            hermes_lab_version=__version__,
            papermill_version=self._papermill_version,
        )

    def keep(
        self, circumstances: RunCircumstances, environment: Environment | None, queued_at: datetime | None
    ) -> None:
        """Store what was observed, with what the run itself told. What is stored next makes it last."""
        with self._store.transaction(durable=False):
            digest = None if environment is None else self._store.snapshots.put(environment.model_dump_json())
            found = {"environment_hash": digest, "queued_at": queued_at}
            self._store.run_records.insert(circumstances.model_copy(update=found))

    def record(self, run: Run) -> RunRecord:
        """The record of the run, as far as it is known now."""
        circumstances = self._store.run_records.get(run.run_id)
        digest = None if circumstances is None else circumstances.environment_hash
        text = None if digest is None else self._store.snapshots.get(digest)
        return RunRecord.of(run, circumstances, None if text is None else Environment.model_validate_json(text))
