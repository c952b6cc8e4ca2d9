"""The commands and their options."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter, _SubParsersAction

from hermes_lab._version import __version__
from hermes_lab.cli.run_options import add_display_options, add_execution_options, add_parameter_options

_RUN_EPILOG = """\
NOTEBOOK and OUT may be files or URLs that papermill has a storage for, such as s3://bucket/report.ipynb.
A value is read as a number or as JSON (3, true, "3", [1, 2]), else as text.
Exit codes: 0 the notebook ran, 1 a cell failed, 2 it could not be run as asked, 3 the kernel died or did not
start, 4 it took longer than --timeout or --execution-timeout, 130 it was interrupted.
"""


def parser() -> ArgumentParser:
    """The parser of `jupyter hermes`; ``command`` is what carries the command out, None without one."""
    root = ArgumentParser(prog="jupyter hermes", description="Agents and notebooks, from the command line.")
    root.add_argument("--version", action="version", version=f"hermes_lab {__version__}")
    root.set_defaults(command=None)
    commands = root.add_subparsers(title="commands", metavar="COMMAND")
    _add_agent(commands)
    _add_run(commands)
    _add_audit(commands)
    _add_doctor(commands)
    return root


def _add_agent(commands: _SubParsersAction[ArgumentParser]) -> None:
    agent = commands.add_parser("agent", help="issue, list and revoke the tokens of agents")
    actions = agent.add_subparsers(title="commands", metavar="COMMAND", required=True)

    add = actions.add_parser("add", help="issue a token; it is printed this once")
    add.add_argument("name", metavar="NAME", help="what people will see the agent called")
    add.add_argument(
        "--scopes", metavar="A,B", help="what it may do (default: read and run notebooks, propose changes)"
    )
    add.add_argument("--expires", metavar="WHEN", help="30d, 12h, or a date such as 2030-01-31 (default: never)")
    add.set_defaults(command=_add_agent_token)

    listed = actions.add_parser("list", help="list agents, newest first")
    listed.set_defaults(command=_list_agents)

    revoke = actions.add_parser("revoke", help="end an agent's token")
    revoke.add_argument("agent", metavar="NAME|ID")
    revoke.set_defaults(command=_revoke_agent)

    for action in (add, listed, revoke):
        _add_store_options(action)
        action.add_argument("--json", action="store_true", help="print JSON")


def _add_run(commands: _SubParsersAction[ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="run a notebook in a fresh kernel, without a server",
        epilog=_RUN_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    run.add_argument("notebook", metavar="NOTEBOOK")
    run.add_argument("out", nargs="?", metavar="OUT", help="the executed copy (default: runs/<notebook>/<id>.ipynb)")
    run.add_argument("-o", "--output", metavar="OUT", help="the same as OUT")
    run.add_argument("--overwrite", action="store_true", help="replace an output notebook that exists")
    run.add_argument("--json", action="store_true", help="print the result as JSON")
    run.add_argument("--help-notebook", action="store_true", help="show the parameters of the notebook, run nothing")
    add_parameter_options(run)
    add_execution_options(run)
    add_display_options(run)
    run.set_defaults(command=_run_notebook)


def _add_audit(commands: _SubParsersAction[ArgumentParser]) -> None:
    audit = commands.add_parser("audit", help="check the log of who did what")
    actions = audit.add_subparsers(title="commands", metavar="COMMAND", required=True)
    verify = actions.add_parser("verify", help="check that no entry was altered or removed; exit code 1 if one was")
    _add_store_options(verify)
    verify.set_defaults(command=_verify_audit)


def _add_doctor(commands: _SubParsersAction[ArgumentParser]) -> None:
    doctor = commands.add_parser("doctor", help="say what works on this machine, and what does not; exit code 1 if so")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    _add_store_options(doctor)
    doctor.set_defaults(command=_examine)


def _add_store_options(command: ArgumentParser) -> None:
    command.add_argument(
        "--root-dir", default=".", metavar="DIR", help="the root folder of the Jupyter server (default: this folder)"
    )
    command.add_argument("--db-url", metavar="URL", help="the store itself, where HermesLab.db_url names another one")


def _add_agent_token(options: Namespace) -> int:
    from hermes_lab.cli.agent import add

    return add(options)


def _list_agents(options: Namespace) -> int:
    from hermes_lab.cli.agent import show

    return show(options)


def _revoke_agent(options: Namespace) -> int:
    from hermes_lab.cli.agent import revoke

    return revoke(options)


def _run_notebook(options: Namespace) -> int:
    from hermes_lab.cli.run import run

    return run(options)


def _verify_audit(options: Namespace) -> int:
    from hermes_lab.cli.audit import verify

    return verify(options)


def _examine(options: Namespace) -> int:
    from hermes_lab.cli.doctor import doctor

    return doctor(options)
