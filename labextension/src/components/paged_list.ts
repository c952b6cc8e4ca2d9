import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Change, IChanges } from '../api/changes';
import type { IPage } from '../api/client';
import { describe } from '../api/errors';

/** What a list shows: `items` stay on screen while they are fetched again and when that fails. */
export interface IListState<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
  readonly loaded: boolean;
  readonly error: string | null;
}

/**
 * A list that keeps itself up to date: fetched once, again at every change of its noun, and page by page on demand.
 */
export class PagedList<T> implements IDisposable {
  constructor(
    private readonly _options: {
      /** One page, newest first. */
      readonly fetch: (cursor?: string) => Promise<IPage<T>>;
      readonly id: (item: T) => string;
      readonly changes: IChanges;
      /** Whether a change concerns this list. */
      readonly concerns: (change: Change) => boolean;
    }
  ) {
    _options.changes.changed.connect(this._onChange, this);
    void this.refresh();
  }

  get state(): IListState<T> {
    return this._state;
  }

  get stateChanged(): ISignal<this, IListState<T>> {
    return this._stateChanged;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._options.changes.changed.disconnect(this._onChange, this);
    Signal.clearData(this);
  }

  /** Fetch the first page again; what was loaded beyond it stays. Calls during a fetch lead to one more. */
  async refresh(): Promise<void> {
    if (this._fetching) {
      this._again = true;
      return;
    }
    this._fetching = true;
    do {
      this._again = false;
      await this._fetch(undefined, (page, known) => [...page, ...known]);
    } while (this._again && !this._isDisposed);
    this._fetching = false;
  }

  /** Fetch the page after the last one. */
  async more(): Promise<void> {
    const cursor = this._state.nextCursor;
    if (cursor !== null) {
      await this._fetch(cursor, (page, known) => [...known, ...page]);
    }
  }

  private async _fetch(
    cursor: string | undefined,
    join: (page: readonly T[], known: readonly T[]) => readonly T[]
  ): Promise<void> {
    try {
      const page = await this._options.fetch(cursor);
      const ids = new Set(page.items.map(this._options.id));
      const known = this._state.items.filter(item => !ids.has(this._options.id(item)));
      const isWhole = cursor === undefined && page.next_cursor === null;
      const keepsCursor = cursor === undefined && this._state.loaded && known.length > 0;
      this._set({
        // A first page without a next one is everything there is: what is not in it is gone.
        items: isWhole ? page.items : join(page.items, known),
        nextCursor: keepsCursor && !isWhole ? this._state.nextCursor : page.next_cursor,
        loaded: true,
        error: null
      });
    } catch (error) {
      this._set({ ...this._state, error: describe(error) });
    }
  }

  private _set(state: IListState<T>): void {
    if (!this._isDisposed) {
      this._state = state;
      this._stateChanged.emit(state);
    }
  }

  private _onChange(_: unknown, change: Change): void {
    if (change === null || this._options.concerns(change)) {
      void this.refresh();
    }
  }

  private _state: IListState<T> = { items: [], nextCursor: null, loaded: false, error: null };
  private _stateChanged = new Signal<this, IListState<T>>(this);
  private _fetching = false;
  private _again = false;
  private _isDisposed = false;
}
