import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Change, IChanges } from '../api/changes';
import type { HermesClient, ToolCall } from '../api/client';
import { describe } from '../api/errors';

export interface IWaitingState {
  readonly calls: readonly ToolCall[];
  /** Calls whose answer is on its way. */
  readonly isAnswering: ReadonlySet<string>;
  readonly problem: string | null;
}

/** The tool calls that wait for a person, and the answers to them. */
export class WaitingToolCalls implements IDisposable {
  constructor(
    private readonly _client: HermesClient,
    private readonly _changes: IChanges
  ) {
    _changes.changed.connect(this._onChange, this);
    void this.refresh();
  }

  get state(): IWaitingState {
    return this._state;
  }

  get stateChanged(): ISignal<this, IWaitingState> {
    return this._stateChanged;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._changes.changed.disconnect(this._onChange, this);
    Signal.clearData(this);
  }

  async refresh(): Promise<void> {
    const request = ++this._request;
    try {
      const { items } = await this._client.listWaitingToolCalls();
      // An answer that a later question overtook says nothing about now. The longest waiting is on top.
      if (request === this._request) {
        this._set({ calls: [...items].reverse(), problem: null });
      }
    } catch (error) {
      this._set({ problem: describe(error) });
    }
  }

  /** Allow this one call, or deny it. */
  async decide(call: ToolCall, decision: 'allow' | 'deny'): Promise<void> {
    const id = call.tool_call_id;
    if (this._state.isAnswering.has(id)) {
      return;
    }
    this._set({ isAnswering: new Set([...this._state.isAnswering, id]), problem: null });
    let problem: string | null = null;
    try {
      await this._client.decideToolCall(call, decision);
    } catch (error) {
      problem = describe(error);
    }
    await this.refresh();
    const isAnswering = new Set([...this._state.isAnswering].filter(other => other !== id));
    this._set({ isAnswering, problem: problem ?? this._state.problem });
  }

  private _set(fields: Partial<IWaitingState>): void {
    if (!this._isDisposed) {
      this._state = { ...this._state, ...fields };
      this._stateChanged.emit(this._state);
    }
  }

  private _onChange(_: unknown, change: Change): void {
    if (change === null || change.noun === 'tool_calls') {
      void this.refresh();
    }
  }

  private _state: IWaitingState = { calls: [], isAnswering: new Set(), problem: null };
  private _stateChanged = new Signal<this, IWaitingState>(this);
  private _request = 0;
  private _isDisposed = false;
}
