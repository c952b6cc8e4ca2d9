import type { ISignal } from '@lumino/signaling';
import { useSyncExternalStore } from 'react';

/** Something that has a state and says when it changed. */
export interface IObservable<S> {
  readonly state: S;
  readonly stateChanged: ISignal<unknown, S>;
}

/** The present state; the component renders again when it changes. */
export function useObservable<S>(observable: IObservable<S>): S {
  return useSyncExternalStore(
    notify => {
      const onChange = (): void => notify();
      observable.stateChanged.connect(onChange);
      return () => {
        observable.stateChanged.disconnect(onChange);
      };
    },
    () => observable.state
  );
}
