"""papermill's engine `hermes`: ``papermill --engine hermes in.ipynb out.ipynb``.

papermill imports this module whenever it is imported itself, so nothing heavy is imported here, and papermill not at
all: whoever imports this module first would find papermill half way through its own import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode


class HermesEngine:
    """Executes the notebooks of papermill through hermes_lab's runner.

    It has the interface of papermill's ``Engine`` without being one. Parameters, the final write and what is raised
    for a failed cell stay papermill's. The output notebook is whole on disk at every instant; what did not run is
    ``pending``, where papermill's own engine calls it ``completed``.
    """

    @classmethod
    def execute_notebook(
        cls,
        nb: NotebookNode,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: bool | dict[str, Any] = True,
        log_output: bool = False,
        autosave_cell_every: int = 30,
        **options: Any,
    ) -> NotebookNode:
        """The executed notebook; a cell that failed is in it.

        The notebook is saved at most twice a second while it changes, whatever ``autosave_cell_every`` says.

        Raises:
            DeadKernelError, CellTimeoutError, NoSuchKernel, RuntimeError: as papermill's own engine raises them.
        """
        from papermill.engines import NotebookExecutionManager

        from hermes_lab.papermill_execution import execute

        manager = NotebookExecutionManager(
            nb,
            output_path=output_path,
            progress_bar=progress_bar,
            log_output=log_output,
            autosave_cell_every=autosave_cell_every,
        )
        executed: NotebookNode = execute(manager, kernel_name, log_output=log_output, **options)
        return executed

    @classmethod
    def nb_kernel_name(cls, nb: NotebookNode, name: str | None = None) -> str:
        """The kernel that a notebook asks for."""
        from papermill.utils import nb_kernel_name

        found: str = nb_kernel_name(nb, name)
        return found

    @classmethod
    def nb_language(cls, nb: NotebookNode, language: str | None = None) -> str:
        """The language that a notebook says it is in."""
        from papermill.utils import nb_language

        found: str = nb_language(nb, language)
        return found
