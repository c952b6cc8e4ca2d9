"""Magics and commands become the Python that IPython itself makes of them, each on its line."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from hermes_lab.engines.ipython_syntax import plain_python

pytestmark = pytest.mark.requirement("REVIEW-4")

_LINES = ["!ls", "!echo (", "!echo it's", 'x = """', "!no", '"""', "%cd a", "y = %who", "df?", "x = (1,", ")"]
_MORE = ["if x:", "    !rm b", "    z = !ls \\", "  -a", "# c", "", "def f():", "    return 1", "%time a = f(1)", "!!a"]


@settings(deadline=None, max_examples=500)
@given(st.lists(st.sampled_from(_LINES + _MORE), min_size=1, max_size=8).map("\n".join))
def test_what_ipython_can_read_is_the_same_python(source: str) -> None:
    try:
        theirs = ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError:
        return
    assert ast.dump(ast.parse(plain_python(source))) == ast.dump(theirs)


@given(st.lists(st.sampled_from(_LINES + _MORE), min_size=1, max_size=8).map("\n".join))
def test_no_line_is_lost_or_gained(source: str) -> None:
    try:
        python = plain_python(source)
    except SyntaxError:
        return
    assert len(python.splitlines()) == len(source.splitlines())


def test_a_cell_in_another_language_is_one_call_and_a_timed_one_is_code() -> None:
    assert plain_python("%%bash -e\nls") == "get_ipython().run_cell_magic('bash', '-e', 'ls')\n\n"
    assert plain_python("%%time\nx = 1\n!ls") == (
        "get_ipython().run_line_magic('time', '')\nx = 1\nget_ipython().system('ls')\n"
    )
