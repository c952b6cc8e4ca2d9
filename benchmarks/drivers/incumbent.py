"""Papermill, scrapbook and jupyter_client, each through the interface that its documentation shows first."""

from __future__ import annotations

import time

from benchmarks.drivers.loop import Answer, serve, timed


def execute(input_path: str, output_path: str) -> Answer:
    """Execute a notebook with papermill's own engine."""
    import papermill  # noqa: PLC0415 - the answer to `first_reply` does not wait for it

    return timed(lambda: papermill.execute_notebook(input_path, output_path, progress_bar=False))


def read_scraps(folder: str) -> Answer:
    """Read the scraps of a folder of notebooks."""
    import scrapbook  # noqa: PLC0415 - as above

    return timed(lambda: scrapbook.read_notebooks(folder).notebook_scraps)


def first_reply() -> Answer:
    """Start a kernel as nbclient does, and wait for what its first cell comes to."""
    from jupyter_client.manager import KernelManager  # noqa: PLC0415 - as above

    manager = KernelManager(kernel_name="python3")
    began = time.perf_counter()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    client.execute_interactive("1 + 1", timeout=60, output_hook=lambda _message: None)
    seconds = time.perf_counter() - began
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    return {"seconds": seconds}


if __name__ == "__main__":
    serve({"execute": execute, "read_scraps": read_scraps, "first_reply": first_reply})
