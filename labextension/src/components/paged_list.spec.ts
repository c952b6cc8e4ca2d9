import { Signal } from '@lumino/signaling';
import { describe, expect, it, vi } from 'vitest';

import type { Change, IChanges } from '../api/changes';
import type { IPage } from '../api/client';
import { PagedList } from './paged_list';

/** A server's list of numbers, newest first, two on a page, and the word that it changed. */
class Numbers implements IChanges {
  readonly changed = new Signal<this, Change>(this);
  items: number[] = [];
  isDown = false;
  asked = 0;

  fetch = (cursor = '0'): Promise<IPage<number>> => {
    this.asked += 1;
    if (this.isDown) {
      return Promise.reject(new Error('down'));
    }
    const next = Number(cursor) + 2;
    return Promise.resolve({
      items: this.items.slice(Number(cursor), next),
      next_cursor: next < this.items.length ? String(next) : null
    });
  };
}

async function listOf(numbers: Numbers): Promise<PagedList<number>> {
  const list = new PagedList<number>({
    fetch: numbers.fetch,
    id: String,
    changes: numbers,
    concerns: change => change?.noun === 'runs'
  });
  await vi.waitUntil(() => list.state.loaded || list.state.error !== null);
  return list;
}

const RUN_CHANGED: Change = { noun: 'runs', id: 'r', state: 'running' };

describe('a list of pages', () => {
  it('is not loaded before the first answer', async () => {
    const numbers = new Numbers();
    const list = new PagedList<number>({
      fetch: numbers.fetch,
      id: String,
      changes: numbers,
      concerns: () => true
    });
    expect(list.state.loaded).toBe(false);
    await vi.waitUntil(() => list.state.loaded);
    expect(list.state.items).toEqual([]);
  });

  it('goes on page by page', async () => {
    const numbers = new Numbers();
    numbers.items = [3, 2, 1];
    const list = await listOf(numbers);
    expect(list.state.items).toEqual([3, 2]);
    await list.more();
    expect(list.state.items).toEqual([3, 2, 1]);
    expect(list.state.nextCursor).toBeNull();
  });

  it('takes in what is new at a change, and keeps the pages that were loaded', async () => {
    const numbers = new Numbers();
    numbers.items = [3, 2, 1];
    const list = await listOf(numbers);
    await list.more();
    numbers.items = [4, 3, 2, 1];
    numbers.changed.emit(RUN_CHANGED);
    await vi.waitUntil(() => list.state.items.length === 4);
    expect(list.state.items).toEqual([4, 3, 2, 1]);
  });

  it('asks again when anything may have changed, and not when something else did', async () => {
    const numbers = new Numbers();
    await listOf(numbers);
    numbers.changed.emit({ noun: 'proposals', id: 'p', state: 'open' });
    expect(numbers.asked).toBe(1);
    numbers.changed.emit(null);
    expect(numbers.asked).toBe(2);
  });

  it('drops what is gone when all is on one page', async () => {
    const numbers = new Numbers();
    numbers.items = [2, 1];
    const list = await listOf(numbers);
    numbers.items = [2];
    await list.refresh();
    expect(list.state.items).toEqual([2]);
  });

  it('keeps its items on screen while the server is away, and says so', async () => {
    const numbers = new Numbers();
    numbers.items = [1];
    const list = await listOf(numbers);
    numbers.isDown = true;
    await list.refresh();
    expect(list.state).toMatchObject({ items: [1], error: 'down' });
    numbers.isDown = false;
    await list.refresh();
    expect(list.state.error).toBeNull();
  });

  it('is silent after it was disposed', async () => {
    const numbers = new Numbers();
    const list = await listOf(numbers);
    list.dispose();
    numbers.changed.emit(null);
    expect(numbers.asked).toBe(1);
  });
});
