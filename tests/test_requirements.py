"""Every promise of tests/requirements.py has a test, and every test names promises that exist."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.requirements import REQUIREMENTS

TESTS = Path(__file__).parent


def named_ids() -> set[str]:
    """The ids in every `pytest.mark.requirement(…)`, in whole files: independent of the tests chosen for this run."""
    calls = (
        node
        for file in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.requirement"
    )
    return {str(ast.literal_eval(argument)) for call in calls for argument in call.args}


def test_every_requirement_has_a_test() -> None:
    assert set(REQUIREMENTS) - named_ids() == set()


def test_tests_name_requirements_that_exist() -> None:
    assert named_ids() - set(REQUIREMENTS) == set()


def test_every_requirement_is_one_sentence() -> None:
    assert [words for words in REQUIREMENTS.values() if not words.endswith(".") or words.count(". ")] == []
