"""The store on its own: what it keeps, in which order, and how tampering shows."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError

from hermes_lab.model.actors import Author
from hermes_lab.model.agents import StoredAgent
from hermes_lab.model.claims import Claim
from hermes_lab.model.errors import Conflict, InvalidRequest
from hermes_lab.model.payload import new_id, now, sha256
from hermes_lab.model.run_events import RunEvent, replayed
from hermes_lab.model.runs import CellTiming, Progress, Run
from hermes_lab.store import Store
from hermes_lab.store.tables import metadata

AUTHOR = Author(kind="human", name="ada")
CLAIM = Claim(caller="agent:a", operation="create_run", key="key")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "hermes.sqlite3"


@pytest.fixture
def store(database: Path) -> Iterator[Store]:
    with closing(Store(f"sqlite:///{database}")) as store:
        yield store


def agent(name: str) -> StoredAgent:
    """An agent whose token nobody knows."""
    return StoredAgent(
        agent_id=new_id(), name=name, scopes=[], created_by=AUTHOR, created_at=now(), token_hash=sha256(name)
    )


def execute(database: Path, statement: str, *values: Any) -> list[Any]:
    """Go behind the store's back."""
    with closing(sqlite3.connect(database)) as connection, connection:
        return connection.execute(statement, values).fetchall()


@pytest.fixture
def audited(store: Store) -> Store:
    """A store with three entries in its audit log."""
    for action in ("first", "second", "third"):
        store.audit.append(AUTHOR, action, "subject", {"path": "a.ipynb"})
    return store


@pytest.mark.requirement("HOUSE-2")
def test_an_untouched_audit_log_is_an_unbroken_chain(audited: Store) -> None:
    assert audited.audit.first_broken() is None
    entries = list(audited.audit.entries())
    assert [entry.action for entry in entries] == ["first", "second", "third"]
    assert [entry.previous_hash for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]


@pytest.mark.requirement("HOUSE-2")
@pytest.mark.parametrize(
    ("field", "value"),
    [("action", "other"), ("subject", "other"), ("details", {}), ("author", {"kind": "human", "name": "eve"})],
)
def test_an_altered_entry_is_found(audited: Store, database: Path, field: str, value: object) -> None:
    (row,) = execute(database, "select payload from audit where sequence = 2")
    payload = {**json.loads(row[0]), field: value}
    execute(database, "update audit set payload = ? where sequence = 2", json.dumps(payload))
    assert audited.audit.first_broken() == 2


@pytest.mark.requirement("HOUSE-2")
def test_an_altered_entry_with_a_new_hash_breaks_the_next_one(audited: Store, database: Path) -> None:
    forged = list(audited.audit.entries())[1].model_copy(update={"action": "other"})
    forged = forged.model_copy(update={"hash": forged.digest()})
    execute(database, "update audit set payload = ? where sequence = 2", forged.model_dump_json())
    assert audited.audit.first_broken() == 3


@pytest.mark.requirement("HOUSE-2")
@pytest.mark.parametrize(("sequence", "broken"), [(1, 2), (2, 3)])
def test_a_removed_entry_is_found(audited: Store, database: Path, sequence: int, broken: int) -> None:
    execute(database, "delete from audit where sequence = ?", sequence)
    assert audited.audit.first_broken() == broken


@pytest.mark.requirement("HOUSE-3")
def test_the_migrations_make_the_tables_that_the_code_uses(store: Store, database: Path) -> None:
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_store_survives_its_process(database: Path) -> None:
    ada = agent("ada's")
    with closing(Store(f"sqlite:///{database}")) as first:
        first.agents.insert(ada)
        digest = first.snapshots.put("text")
    with closing(Store(f"sqlite:///{database}")) as second:
        assert second.agents.get(ada.agent_id) == ada
        assert second.snapshots.get(digest) == "text"


def test_a_commit_is_on_the_disk_before_it_is_acknowledged(store: Store) -> None:
    with store.transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def run_of(store: Store) -> Run:
    """A run that was just created."""
    run = Run(
        run_id=new_id(),
        author=AUTHOR,
        input_path="a.ipynb",
        input_hash=sha256("a"),
        output_path="out.ipynb",
        kernel_name="python3",
        created_at=now(),
        progress=Progress(cells_total=2),
    )
    store.runs.insert(run)
    return run


def event_of(run: Run, sequence: int, **fields: Any) -> RunEvent:
    """A change of the run."""
    wanted = {"event": "progressed", "at": now(), "state": "running", "progress": run.progress, **fields}
    return RunEvent(run_id=run.run_id, sequence=sequence, **wanted)


@pytest.mark.requirement("RUN-15")
def test_events_are_read_in_their_order_from_any_place_on(store: Store) -> None:
    run = run_of(store)
    events = [event_of(run, number) for number in range(1, 6)]
    for event in events:
        store.run_events.append(event)
    assert store.run_events.after(run.run_id, 0) == events
    assert store.run_events.after(run.run_id, 3) == events[3:]
    assert store.run_events.after(run.run_id, 1, limit=2) == events[1:3]
    assert store.run_events.after(new_id(), 0) == []


@pytest.mark.requirement("RUN-15")
def test_a_run_and_its_events_make_the_run_as_it_is(store: Store) -> None:
    run = run_of(store)
    waiting, running = CellTiming(cell_id="a", state="not_run"), CellTiming(cell_id="a", state="running")
    other = CellTiming(cell_id="b", state="not_run")
    events = [
        event_of(run, 1, event="queued", state="pending", queue_position=2),
        event_of(run, 2, event="started", cells=[waiting, other]),
        event_of(run, 3, cells=[running]),
    ]
    queued, started = replayed(run, events[:1]), replayed(run, events[:2])
    assert (queued.state, queued.queue_position, queued.version) == ("pending", 2, 1)
    assert (started.state, started.queue_position, started.started_at) == ("running", None, events[1].at)
    assert replayed(run, events).cells == [running, other]
    assert replayed(started, events) == replayed(run, events)
    assert replayed(run, []) == run


@pytest.mark.requirement("RUN-15")
def test_an_event_is_handed_to_the_operating_system_at_once(store: Store, database: Path) -> None:
    store.run_events.append(event_of(run_of(store), 1))
    assert execute(database, "select count(*) from run_events") == [(1,)]


@pytest.mark.requirement("RUN-15")
def test_what_is_acknowledged_waits_for_the_disk_after_an_event_that_did_not(store: Store) -> None:
    def synchronous(durable: bool) -> object:
        with store.transaction(durable=durable) as connection:
            return connection.exec_driver_sql("PRAGMA synchronous").scalar()

    assert [synchronous(False), synchronous(True), synchronous(False)] == [1, 2, 1]  # NORMAL, FULL


def test_the_store_is_closed_to_other_users(store: Store, database: Path) -> None:
    assert database.parent.stat().st_mode & 0o077 == 0


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.transaction():
            store.agents.insert(agent("one"))
            store.audit.append(AUTHOR, "create_agent", "one")
            store.agents.insert(store.agents.all()[0])  # the same key again

    with pytest.raises(IntegrityError):
        fail()
    assert store.agents.all() == []
    assert list(store.audit.entries()) == []


def test_pages_hold_everything_once_while_new_ones_arrive(store: Store) -> None:
    names = [f"agent {number}" for number in range(7)]
    for name in names:
        store.agents.insert(agent(name))
    seen, cursor = [], None
    while True:
        page = store.agents.page(3, cursor)
        seen += [each.name for each in page.items]
        store.agents.insert(agent("newcomer"))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == names[::-1]


def test_a_cursor_of_another_list_is_refused(store: Store) -> None:
    with pytest.raises(InvalidRequest) as refused:
        store.agents.page(3, "nowhere")
    assert refused.value.details == {"field": "cursor"}


def test_the_same_text_is_kept_once(store: Store, database: Path) -> None:
    assert store.snapshots.put("text") == store.snapshots.put("text") == sha256("text")
    assert execute(database, "select count(*) from snapshots") == [(1,)]
    assert store.snapshots.get(sha256("other")) is None


def test_a_key_in_use_is_refused_until_it_is_answered_or_released(store: Store) -> None:
    ledger = store.idempotency
    assert ledger.claim(CLAIM, {"n": 1}) is None
    with pytest.raises(Conflict) as busy:
        ledger.claim(CLAIM, {"n": 1})
    assert busy.value.code == "idempotency_in_progress"
    ledger.release(CLAIM)
    assert ledger.claim(CLAIM, {"n": 1}) is None
    ledger.keep(CLAIM, AUTHOR)
    ledger.release(CLAIM)
    assert ledger.claim(CLAIM, {"n": 1}) == AUTHOR.model_dump()


@pytest.mark.requirement("API-2")
def test_a_key_is_answered_together_with_what_was_made_or_not_at_all(store: Store) -> None:
    def break_off() -> None:
        with store.transaction():
            store.agents.insert(agent("made"))
            store.idempotency.keep(CLAIM, AUTHOR)
            raise KeyboardInterrupt

    assert store.idempotency.claim(CLAIM, {}) is None
    with pytest.raises(KeyboardInterrupt):
        break_off()
    store.idempotency.release_claims_of(store.instance_id)
    assert store.agents.all() == []
    assert store.idempotency.claim(CLAIM, {}) is None


def test_what_was_made_is_kept_though_its_key_is_nobodys_any_more(store: Store) -> None:
    with store.transaction():
        store.agents.insert(agent("made"))
        store.idempotency.keep(CLAIM, AUTHOR)
        store.idempotency.keep(None, AUTHOR)
    assert len(store.agents.all()) == 1
    assert store.idempotency.claim(CLAIM, {}) is None


def test_two_servers_on_one_store_know_each_other_as_alive(database: Path) -> None:
    with closing(Store(f"sqlite:///{database}")) as one, closing(Store(f"sqlite:///{database}")) as other:
        assert one.instance_id != other.instance_id
        assert list(one.instances.dead()) == []


OPENS_A_STORE = """
import sys
from hermes_lab.store import Store

store = Store(sys.argv[1])
print(store.instance_id, flush=True)
sys.stdin.read()
"""


@pytest.mark.requirement("RUN-10")
def test_a_server_is_dead_when_its_process_is_whatever_its_host_was_called(database: Path) -> None:
    url = f"sqlite:///{database}"
    command = [sys.executable, "-c", OPENS_A_STORE, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        instance_id = other.stdout.readline().strip()
        execute(database, "update instances set host = 'the container before'")
        with closing(Store(url)) as store:
            assert store.instances.dead() == []
            other.kill()
            other.wait()
            assert store.instances.dead() == [instance_id]
            with closing(Store(url)) as third:
                assert third.instances.dead() == [], "two servers would put the same rows in order"
            store.instances.forget(instance_id)
            assert store.instance_id not in store.instances.dead()
            locks = [file.stem for file in database.with_name(f"{database.name}-instances").iterdir()]
            assert instance_id not in locks
            assert store.instance_id in locks


@pytest.mark.requirement("RUN-10")
def test_a_server_without_a_lock_is_known_by_its_host_and_process(database: Path) -> None:
    url = f"sqlite:///{database}"
    with closing(Store(url)) as one, closing(Store(url)) as other:
        for lock in database.with_name(f"{database.name}-instances").iterdir():
            lock.unlink()
        assert other.instances.dead() == []
        execute(database, "update instances set process_started_at = 'before'")
        assert other.instances.dead() == [one.instance_id]
        execute(database, "update instances set host = 'elsewhere'")
        assert other.instances.dead() == []
