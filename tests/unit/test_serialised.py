"""The bytes of a notebook that changes are nbformat's at every step, though only what changed is encoded anew."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import from_dict
from nbformat.v4 import writes_json

from hermes_lab.engines.strict_json import strict
from hermes_lab.runner.serialised import SerialisedNotebook, serialise
from hermes_lab.runner.stream_text import StreamText
from tests.written_notebooks import CORPUS, Json, code, corpus_notebook, edits_of, notebook, written_notebooks

pytestmark = pytest.mark.requirement("RUN-7", "CELL-1")

TEXTS = st.text(alphabet=st.sampled_from('aé"\\ \t\n\r\x0b\x1c\u2028\ud800😀\x00/'), max_size=12)
NUMBERS = st.one_of(st.integers(), st.floats())
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
MIMES = st.sampled_from(["text/plain", "text/html", "image/svg+xml", "application/javascript", "image/png"])
OUTPUTS = st.one_of(
    st.fixed_dictionaries({"output_type": st.just("stream"), "name": st.just("stdout"), "text": TEXTS}),
    st.fixed_dictionaries(
        {
            "output_type": st.sampled_from(["display_data", "execute_result"]),
            "metadata": st.dictionaries(TEXTS, VALUES, max_size=2),
            "data": st.one_of(
                st.dictionaries(MIMES, TEXTS, max_size=3), st.dictionaries(st.just("application/json"), VALUES)
            ),
        }
    ),
)


def by_nbformat(wanted: Json) -> bytes:
    return str(writes_json(from_dict(strict(wanted)), allow_nan=False)).encode() + b"\n"


def bytes_of(serialised: SerialisedNotebook) -> bytes:
    return b"".join(serialised.chunks())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_a_shipped_notebook_is_written_as_nbformat_writes_it(path: Path) -> None:
    shipped = corpus_notebook(path)
    assert serialise(shipped) == by_nbformat(shipped)


@given(st.data())
def test_a_notebook_is_written_as_nbformat_writes_it_after_each_change(data: st.DataObject) -> None:
    written = data.draw(written_notebooks())
    serialised = SerialisedNotebook(written)
    assert bytes_of(serialised) == by_nbformat(written)
    for step in range(data.draw(st.integers(1, 4))):
        edited = data.draw(edits_of(written, f"step{step}"))
        before = {cell["id"]: cell for cell in written["cells"]}
        for cell in edited["cells"]:
            if before.get(cell["id"]) != cell:
                serialised.changed(cell["id"])
        written.update(edited)
        assert bytes_of(serialised) == by_nbformat(written)


@given(st.lists(OUTPUTS, max_size=4), st.dictionaries(TEXTS, VALUES, max_size=3))
def test_whatever_a_kernel_sends_is_written_as_nbformat_writes_it(outputs: list[Json], metadata: Json) -> None:
    written = notebook({**code("a", "1"), "outputs": outputs, "metadata": metadata}, **metadata)
    assert serialise(written) == by_nbformat(written)


@given(st.lists(TEXTS, max_size=5))
def test_a_stream_that_comes_in_pieces_is_written_as_one_text(pieces: list[str]) -> None:
    written = notebook(code("a", prints=""))
    growing = StreamText()
    written["cells"][0]["outputs"][0]["text"] = growing
    serialised = SerialisedNotebook(written)
    for end, piece in enumerate(pieces, 1):
        growing.append(piece)
        serialised.changed("a")
        assert bytes_of(serialised) == by_nbformat(notebook(code("a", prints="".join(pieces[:end]))))


def test_a_cell_that_did_not_change_is_not_encoded_again() -> None:
    written = notebook(code("a", "1"), code("b", "2"))
    serialised = SerialisedNotebook(written)
    before = serialised.chunks()
    written["cells"][1]["source"] = "3"
    serialised.changed("b")
    after = serialised.chunks()
    first, again = (next(chunk for chunk in chunks if b'"id": "a"' in chunk) for chunks in (before, after))
    assert first is again
    assert b"".join(after) == by_nbformat(written)


def test_the_notebook_itself_is_left_as_it_is() -> None:
    written = notebook(code("a", "1\n2", prints="x\ny", trusted=True), orig_nbformat=3)
    before = copy.deepcopy(written)
    assert serialise(written) == by_nbformat(before)
    assert written == before
