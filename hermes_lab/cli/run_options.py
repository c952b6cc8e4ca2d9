"""The options of `jupyter hermes run`, named as papermill names them wherever it has them."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction


def add_parameter_options(run: ArgumentParser) -> None:
    """What the notebook is given. What is named twice has the value of the option further down this list."""
    options = run.add_argument_group("parameters")
    options.add_argument(
        *("-b", "--parameters_base64"),
        action="append",
        default=[],
        metavar="TEXT",
        help="parameters as YAML in base64",
    )
    options.add_argument(
        *("-f", "--parameters_file"),
        action="append",
        default=[],
        metavar="FILE",
        help="parameters in a YAML or JSON file",
    )
    options.add_argument(
        *("-y", "--parameters_yaml"), action="append", default=[], metavar="TEXT", help="parameters as YAML"
    )
    options.add_argument(
        *("-p", "--parameters", "--parameter"),
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="one parameter; may be repeated",
    )
    options.add_argument(
        *("-r", "--parameters_raw"),
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "TEXT"),
        help="one parameter whose value is this text as it stands",
    )
    options.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="NAME",
        help="the environment variable NAME reaches the kernel, is masked in outputs, and is never written",
    )
    options.add_argument(
        "--secret-file",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "FILE"),
        help="the same, with what is in a file (a last line break is no part of it)",
    )
    options.add_argument(
        "--allow-unknown",
        action="store_true",
        help="inject names and types too that the notebook's cell tagged `parameters` does not declare",
    )
    for what in ("input", "output"):
        options.add_argument(
            f"--inject-{what}-path", action="store_true", help=f"give the notebook PAPERMILL_{what.upper()}_PATH"
        )
    options.add_argument("--inject-paths", action="store_true", help="give it both paths")


def add_execution_options(run: ArgumentParser) -> None:
    """How it is executed."""
    options = run.add_argument_group("execution")
    options.add_argument("-k", "--kernel", metavar="NAME", help="default: the notebook's own")
    options.add_argument("-l", "--language", metavar="NAME", help="of the parameters (default: the kernel's)")
    options.add_argument("--cwd", metavar="FOLDER", help="where the notebook works (default: its own folder)")
    options.add_argument("--timeout", type=float, metavar="SECONDS", help="for the whole run")
    options.add_argument("--execution-timeout", type=float, metavar="SECONDS", help="for each cell")
    options.add_argument(
        *("--start-timeout", "--start_timeout"),
        type=float,
        metavar="SECONDS",
        help="until the kernel answers (default: 60)",
    )
    options.add_argument("--allow-errors", action="store_true", help="go on after a cell that failed")
    options.add_argument(
        *("--prepare-only",), action="store_true", help="write the notebook with its parameters, execute nothing"
    )
    options.add_argument("--prepare-execute", dest="prepare_only", action="store_false", help="the opposite (default)")
    options.add_argument(
        "--report-mode", action=BooleanOptionalAction, default=False, help="hide the sources of all code cells"
    )


def add_display_options(run: ArgumentParser) -> None:
    """What is seen of it meanwhile."""
    options = run.add_argument_group("display")
    options.add_argument(
        "--progress-bar", action=BooleanOptionalAction, default=None, help="default: on a terminal only"
    )
    options.add_argument(
        "--log-output", action=BooleanOptionalAction, default=False, help="show what the cells put out, on stderr"
    )
    options.add_argument("--stdout-file", metavar="FILE", help="keep what the cells write to their standard output")
    options.add_argument("--stderr-file", metavar="FILE", help="keep what the cells write to their standard error")
