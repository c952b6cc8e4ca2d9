"""Which names of a notebook's global scope a cell of Python defines, removes and uses. Pure; in doubt, silent."""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Iterator
from dataclasses import dataclass, field

from hermes_lab.services.python_cells import PythonCell, parsed

_WORD = re.compile(r"[^\W\d]\w*")
_COMPREHENSIONS = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})
_ANYTHING_MAY_BE_DEFINED = frozenset({"exec", "globals", "locals", "vars", "execfile"})
_TIMED = frozenset({"time", "timeit", "prun", "memit", "lprun", "mprun"})
"""Line magics whose line is Python."""
_HARMLESS = frozenset(
    {"alias", "autoreload", "autosave", "bookmark", "capture", "cd", "colors", "conda", "config", "debug", "dhist"}
    | {"env", "history", "load_ext", "logstart", "ls", "lsmagic", "magic", "mamba", "matplotlib", "mkdir", "notebook"}
    | {"page", "pdb", "pdef", "pdoc", "pfile", "pinfo", "pinfo2", "pip", "precision", "psource", "pwd", "reload_ext"}
    | {"rm", "set_env", "sx", "system", "tb", "uv", "who", "who_ls", "whos", "xmode", *_TIMED}
)
"""Line magics that define no name (but for what their line says)."""
_ANOTHER_LANGUAGE = frozenset(
    {
        "bash",
        "cmd",
        "file",
        "html",
        "HTML",
        "javascript",
        "js",
        "latex",
        "markdown",
        "perl",
        "pypy",
        "python",
        "python2",
    }
    | {"python3", "ruby", "script", "sh", "svg", "SVG", "system", "sx", "writefile", "!"}
)
"""Cell magics that define no name but those that `--out` and `--err` give."""


@dataclass(frozen=True)
class CellNames:
    """``uses`` are read while the cell runs, ``deferred`` when somebody calls a function that the cell defines.

    ``anything``: the cell may define names that its text does not tell (`import *`, `%run`, `exec`).
    """

    defines: frozenset[str] = frozenset()
    removes: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    deferred: frozenset[str] = frozenset()
    anything: bool = False


def names_of(source: str) -> CellNames:
    """The names of a cell; of one that cannot be read as Python, every word in it may be a definition."""
    cell = parsed(source)
    if cell is None:
        return CellNames(defines=frozenset(_WORD.findall(source)))
    reading = _Reading()
    try:
        reading.visit(cell.tree)
    except RecursionError:
        return CellNames(defines=frozenset(_WORD.findall(source)))
    deferred, declared = _of_functions(cell)
    defines = frozenset(reading.bound | declared)
    return CellNames(
        defines=defines - reading.removed,
        removes=frozenset(reading.removed),
        uses=frozenset(reading.used),
        deferred=frozenset(deferred - defines),
        anything=reading.anything,
    )


def _of_functions(cell: PythonCell) -> tuple[set[str], set[str]]:
    """The global names that functions read, and those that they declare `global` and assign."""
    reads: set[str] = set()
    assigns: set[str] = set()
    for table in _function_scopes(cell.scopes, inside=False):
        for symbol in table.get_symbols():
            if symbol.is_global() and symbol.is_referenced():
                reads.add(symbol.get_name())
            if symbol.is_declared_global() and symbol.is_assigned():
                assigns.add(symbol.get_name())
    return reads, assigns


def _function_scopes(table: symtable.SymbolTable, *, inside: bool) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        at_once = child.get_type() == "class" or child.get_name() in _COMPREHENSIONS
        deferred = inside or not at_once
        if deferred:
            yield child
        yield from _function_scopes(child, inside=deferred)


@dataclass
class _Reading(ast.NodeVisitor):
    """Reads what runs with the cell in the order in which it runs; bodies of functions do not."""

    bound: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    anything: bool = False
    _scopes: list[set[str]] = field(default_factory=list)
    """Names of the comprehensions and class bodies around."""
    _branches: int = 0
    """How many statements around may not run, or not to their end."""
    _guards: int = 0
    """How many `try` around catch a missing name."""

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._read(node.id)
            self.anything = self.anything or node.id in _ANYTHING_MAY_BE_DEFINED
        elif isinstance(node.ctx, ast.Store):
            self._bind(node.id)
        else:
            self._read(node.id)
            if not self._branches and not self._scopes:
                self.removed.add(node.id)
                self.bound.discard(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._all(node.value, *node.targets)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._read(node.target.id)
        self._all(node.value, node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        # Annotations need not be evaluated (`from __future__ import annotations`).
        if node.value is not None:
            self._all(node.value, node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        # It binds outside of the comprehension that it stands in.
        scopes, self._scopes = self._scopes, []
        self._bind(node.target.id)
        self._scopes = scopes

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._bind(alias.asname or alias.name.split(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.anything = True
            else:
                self._bind(alias.asname or alias.name)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._all(*node.decorator_list, *_defaults(node.args))
        self._bind(node.name)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._all(*_defaults(node.args))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._all(*node.decorator_list, *node.bases, *node.keywords)
        self._scopes.append(set())
        self._all(*node.body)
        self._scopes.pop()
        self._bind(node.name)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self._all(node.iter, node.target)
        self._perhaps(*node.body, *node.orelse)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self.visit_For(node)

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self._perhaps(*node.body, *node.orelse)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._perhaps(*node.body, *node.orelse)

    def visit_Try(self, node: ast.Try) -> None:
        guarded = any(_catches_missing_names(handler.type) for handler in node.handlers)
        self._guards += guarded
        self._perhaps(*node.body)
        self._guards -= guarded
        self._perhaps(*node.handlers, *node.orelse, *node.finalbody)

    def visit_TryStar(self, node: ast.Try) -> None:
        self.visit_Try(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        if node.name:
            self._bind(node.name)
        self._all(*node.body)

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        self._perhaps(*node.cases)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self.generic_visit(node)
        if node.name:
            self._bind(node.name)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self._bind(node.rest)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        self._comprehension(node.generators, node.elt)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self.visit_ListComp(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self.visit_ListComp(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node.generators, node.key, node.value)

    def visit_Call(self, node: ast.Call) -> None:
        magic = _magic(node)
        if magic is None:
            self.generic_visit(node)
            return
        name, line, is_cell = magic
        if name in _TIMED:
            self._code(line)
        elif name == "capture" or (is_cell and name in _ANOTHER_LANGUAGE):
            for word in _WORD.findall(line):
                self._bind(word)
        elif is_cell or name not in _HARMLESS:
            self.anything = True

    def _code(self, line: str) -> None:
        """Read the line of `%time`; a magic in it is none of Python's."""
        words = line.split(" ")
        while words and words[0].startswith("-"):
            words.pop(0)
        code = " ".join(words)
        inner = None if code.startswith(("%", "!")) else parsed(code)
        if inner is not None:
            self.visit(inner.tree)

    def _comprehension(self, generators: list[ast.comprehension], *elements: ast.expr) -> None:
        self.visit(generators[0].iter)
        self._scopes.append(set())
        for number, generator in enumerate(generators):
            if number:
                self.visit(generator.iter)
            self._all(generator.target, *generator.ifs)
        self._all(*elements)
        self._scopes.pop()

    def _all(self, *nodes: ast.AST) -> None:
        for node in nodes:
            self.visit(node)

    def _perhaps(self, *nodes: ast.AST) -> None:
        self._branches += 1
        self._all(*nodes)
        self._branches -= 1

    def _bind(self, name: str) -> None:
        if self._scopes:
            self._scopes[-1].add(name)
        else:
            self.bound.add(name)
            self.removed.discard(name)

    def _read(self, name: str) -> None:
        known = name in self.bound or name in self.removed or any(name in scope for scope in self._scopes)
        if not known and not self._guards:
            self.used.add(name)


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [*arguments.defaults, *(default for default in arguments.kw_defaults if default is not None)]


def _catches_missing_names(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    names = [node.id for node in ast.walk(caught) if isinstance(node, ast.Name)]
    return not {"NameError", "Exception", "BaseException"}.isdisjoint(names)


def _magic(call: ast.Call) -> tuple[str, str, bool] | None:
    """The name and the line of a magic, as IPython calls it, and whether it is a cell's."""
    function = call.func
    if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Call)):
        return None
    if not (isinstance(function.value.func, ast.Name) and function.value.func.id == "get_ipython"):
        return None
    words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    if function.attr in {"run_line_magic", "run_cell_magic"} and len(words) >= 2:
        return str(words[0]), str(words[1]), function.attr == "run_cell_magic"
    return None
