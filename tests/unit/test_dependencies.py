"""What a partial acceptance leaves without a name, told in words that a person understands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from hermes_lab.model.decisions import ChangeDecision
from hermes_lab.model.dependencies import DependencyNote
from hermes_lab.model.proposals import ProposedChange
from hermes_lab.services.dependencies import dependencies
from hermes_lab.services.diffing import diff_notebooks
from hermes_lab.services.merging import merge
from tests.written_notebooks import CORPUS, code, corpus_notebook, markdown, notebook, written_notebooks

pytestmark = pytest.mark.requirement("REVIEW-4")
Json = dict[str, Any]
PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def notes(base: Json, remote: Json, *, local: Json | None = None, **words: Any) -> list[DependencyNote]:
    """The notes about a merge of these decisions (`word` or ChangeDecision by change_id)."""
    made = [ChangeDecision(decision=word) if isinstance(word, str) else word for word in words.values()]
    decisions = dict(zip(words, made, strict=True))
    changes = [ProposedChange(**change.model_dump()) for change in diff_notebooks(base, remote, outputs=False)]
    local = local or base
    return dependencies(local, merge(base, local, remote, decisions).notebook, changes, decisions)


def python(*cells: Json, **metadata: Any) -> Json:
    return notebook(*cells, **{**PYTHON, **metadata})


BASE = python(markdown("title", "# T"), code("load", "df = read()"), code("show", "print(df)"))


def test_a_name_whose_new_cell_is_rejected_is_told_with_the_cell_that_uses_it() -> None:
    remote = python(*BASE["cells"][:2], code("clean", "df2 = df.dropna()"), code("show", "print(df2)"))
    (note,) = notes(BASE, remote, show="accept", clean="reject")
    assert (note.name, note.problem, note.used_in, note.defined_in) == ("df2", "rejected", "show", "clean")
    assert note.change_id == "clean"
    assert note.words == "Cell 3 uses `df2`, which you rejected with the new cell that defines it."


def test_what_is_undecided_is_told_as_such() -> None:
    remote = python(*BASE["cells"][:2], code("clean", "df2 = df.dropna()"), code("show", "print(df2)"))
    (note,) = notes(BASE, remote, show="accept")
    assert (note.problem, note.words) == (
        "undecided",
        "Cell 3 uses `df2`, which a new cell defines; you have not decided about it.",
    )


def test_a_definition_that_an_accepted_change_removes_is_told_for_each_cell_that_used_it() -> None:
    remote = python(BASE["cells"][0], code("load", "frame = read()"), code("show", "print(frame)"))
    (note,) = notes(BASE, remote, load="accept", show="reject")
    assert (note.name, note.problem, note.used_in, note.change_id) == ("df", "removed", "show", "load")
    assert note.words == "Cell 3 uses `df`, which the accepted change of cell 2 removes."


def test_a_deleted_definition_is_told_by_the_place_where_it_stood() -> None:
    remote = python(BASE["cells"][0], BASE["cells"][2])
    (note,) = notes(BASE, remote, load="accept")
    assert (note.problem, note.words) == ("removed", "Cell 2 uses `df`, which goes with cell 2, which you delete.")


def test_a_definition_that_stands_below_its_use_is_told() -> None:
    remote = python(*BASE["cells"], code("new", "df3 = 1"))
    remote["cells"].insert(2, code("early", "print(df3)"))
    (note,) = notes(BASE, remote, new="accept", early="accept")
    assert (note.problem, note.used_in, note.defined_in) == ("later", "early", "new")
    assert note.words == "Cell 3 uses `df3`, which only cell 5 defines, further down."


def test_a_rejected_hunk_takes_its_definition_with_it() -> None:
    body = "\n".join(f"line_{number} = {number}" for number in range(8))
    base = python(code("a", body), code("b", "1"))
    remote = python(code("a", f"first = 1\n{body}\nlast = 2"), code("b", "first + last"))
    part = ChangeDecision(decision="accept", hunks={"h1": "accept", "h2": "reject"})
    (note,) = notes(base, remote, a=part, b="accept")
    assert (note.name, note.problem, note.change_id) == ("last", "rejected", "a")
    assert note.words == "Cell 2 uses `last`, which is not in what you took of the change of cell 1."


def test_a_text_of_ones_own_that_lacks_the_definition_is_told() -> None:
    remote = python(BASE["cells"][0], code("load", "df = read()\nn = len(df)"), code("show", "print(n)"))
    (note,) = notes(BASE, remote, load=ChangeDecision(decision="accept", text="df = other()"), show="accept")
    assert (note.name, note.problem, note.change_id) == ("n", "rejected", "load")


def test_names_that_functions_use_are_looked_for_in_the_whole_notebook() -> None:
    base = python(code("f", "def f():\n    return 1"), code("n", "1"))
    remote = python(code("f", "def f():\n    return late"), code("n", "late = 2"))
    assert notes(base, remote, f="accept", n="accept") == []
    (note,) = notes(base, remote, f="accept", n="reject")
    assert (note.name, note.problem) == ("late", "rejected")


def test_what_the_document_misses_already_is_not_blamed_on_the_decision() -> None:
    base = python(code("a", "print(gone)"), code("b", "1"))
    remote = python(code("a", "print(gone)"), code("b", "2"), code("c", "gone = 1"))
    assert notes(base, remote, b="accept", c="reject") == []


def test_the_document_as_it_is_now_counts_and_not_the_base() -> None:
    remote = python(*BASE["cells"][:2], code("clean", "df2 = df.dropna()"), code("show", "print(df2)"))
    local = python(code("mine", "df2 = 3"), *BASE["cells"])
    assert notes(BASE, remote, local=local, show="accept", clean="reject") == []


@pytest.mark.parametrize(
    ("defining", "using"),
    [
        ("x = 1", "[x for x in range(3)]"),
        ("x = 1", "f = lambda x: x"),
        ("x = 1", "def f(x):\n    return x"),
        ("x = 1", "class A:\n    x = 2\n    y = x"),
        ("x = 1", "for x in range(3):\n    print(x)"),
        ("x = 1", "with open('f') as x:\n    x.read()"),
        ("x = 1", "import x.y\nx.y"),
        ("x = 1", "try:\n    x\nexcept NameError:\n    x = 2"),
        ("x = 1", "from lib import *\nx"),
        ("x = 1", "%run setup.py\nx"),
        ("x = 1", "%time x = 3\nx"),
        ("x = 1", "%%capture x\nprint(1)"),
        ("x = 1", "match 3:\n    case x:\n        x"),
        ("x = 1", "if (x := 3):\n    x"),
        ("x = 1", "x = !ls\nx"),
        ("x = 1", "%%bash\necho x"),
        ("x = 1", "this is not Python x"),
        ("x = 1", "a.x"),
        ("x = 1", "f(x=1)"),
        ("x = 1", "'x'"),
        ("x = 1", "# x"),
        ("print = log", "print(1)"),
        ("x = 1", "globals()['x'] = 2\nx"),
        ("x = 1", "def f(a: x) -> x: ..."),
    ],
)
def test_it_is_silent_where_the_cell_does_not_need_the_rejected_name(defining: str, using: str) -> None:
    remote = python(code("d", defining), code("u", using))
    assert notes(python(), remote, u="accept", d="reject") == []


@pytest.mark.parametrize(
    "using",
    [
        "x",
        "x += 1",
        "x = x + 1",
        "del x",
        "print([y for y in x])",
        "[x for y in range(3)]",
        "def f(a=x): ...",
        "@x\ndef f(): ...",
        "class A(x): ...",
        "class A:\n    y = x",
        "!ls\nx",
        "%time print(x)",
        "%%time\nprint(x)",
        "%matplotlib inline\nx",
        "try:\n    x\nexcept ValueError:\n    pass",
        "for i in x:\n    x = i",
        "await x",
        "lambda: x",
        "async def f():\n    return [x async for y in z()]",
        "f'{x}'",
    ],
)
def test_it_tells_every_way_of_needing_the_rejected_name(using: str) -> None:
    remote = python(code("d", "x = 1"), code("u", using))
    assert [note.name for note in notes(python(), remote, u="accept", d="reject")] == ["x"]


def test_it_is_silent_for_other_languages() -> None:
    remote = {**BASE, "cells": [*BASE["cells"][:2], code("clean", "df2 = df"), code("show", "print(df2)")]}
    julia = {"kernelspec": {"name": "julia-1.10", "display_name": "Julia", "language": "julia"}}
    base, remote = {**BASE, "metadata": julia}, {**remote, "metadata": julia}
    assert notes(base, remote, show="accept", clean="reject") == []


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_accepting_one_of_the_shipped_notebooks_whole_leaves_no_name_rejected(path: Any) -> None:
    remote = corpus_notebook(path)
    changes = {c.change_id: "accept" for c in diff_notebooks(None, remote, outputs=False)}
    assert [n for n in notes(notebook(), remote, **changes) if n.problem != "later"] == []


@settings(deadline=None)
@given(base=written_notebooks(), remote=written_notebooks())
def test_nothing_is_told_where_nothing_is_accepted(base: Json, remote: Json) -> None:
    assert notes(base, remote) == []
