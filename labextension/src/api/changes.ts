import type { Event } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';

import type { components } from './generated';

/** The schema of the one event that hermes_lab emits. */
export const CHANGED_SCHEMA = 'https://hermes-lab.readthedocs.io/schema/changed/v1';

/** Events are not replayed, and Lab does not tell when their socket was away: look again this often (ms). */
const LOOK_AGAIN_INTERVAL = 15_000;

type Changed = components['schemas']['Changed'];

/** A change of one thing, or `null`: anything may have changed, fetch what you show. */
export type Change = Changed | null;

/** The word that something changed. */
export interface IChanges {
  readonly changed: ISignal<unknown, Change>;
}

/**
 * Says what to fetch again. Events carry ids only; the content always comes over REST.
 */
export class Changes implements IChanges, IDisposable {
  constructor(events: Event.IManager) {
    this._events = events;
    events.stream.connect(this._onEvent, this);
    this._poll = new Poll({
      auto: true,
      name: 'hermes-lab:look-again',
      frequency: { interval: LOOK_AGAIN_INTERVAL, backoff: false },
      standby: 'when-hidden',
      factory: () => {
        this._lookAgain();
        return Promise.resolve();
      }
    });
    window.addEventListener('online', this._lookAgain);
    document.addEventListener('visibilitychange', this._onVisibility);
  }

  get changed(): ISignal<this, Change> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._poll.dispose();
    this._events.stream.disconnect(this._onEvent, this);
    window.removeEventListener('online', this._lookAgain);
    document.removeEventListener('visibilitychange', this._onVisibility);
    Signal.clearData(this);
  }

  private _onEvent(_: unknown, emission: Event.Emission): void {
    if (emission.schema_id !== CHANGED_SCHEMA) {
      return;
    }
    const { noun, id, state } = emission;
    this._changed.emit({ noun, id, state } as unknown as Changed);
  }

  private readonly _lookAgain = (): void => this._changed.emit(null);

  private readonly _onVisibility = (): void => {
    if (document.visibilityState === 'visible') {
      this._lookAgain();
    }
  };

  private readonly _events: Event.IManager;
  private readonly _poll: Poll;
  private readonly _changed = new Signal<this, Change>(this);
}
