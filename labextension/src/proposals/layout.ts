import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { Signal, type ISignal } from '@lumino/signaling';

import type { DiffLayout } from './source_diff';

/** How differences are shown: a setting of the person, the same on all review pages. */
export class LayoutSetting {
  constructor(settings: ISettingRegistry.ISettings | null) {
    this._settings = settings;
    settings?.changed.connect(() => this._set(read(settings)));
    this._layout = settings ? read(settings) : 'unified';
  }

  get state(): DiffLayout {
    return this._layout;
  }

  get stateChanged(): ISignal<this, DiffLayout> {
    return this._stateChanged;
  }

  /** Choose a layout and remember it. */
  async choose(layout: DiffLayout): Promise<void> {
    this._set(layout);
    await this._settings?.set('diffLayout', layout);
  }

  private _set(layout: DiffLayout): void {
    if (layout !== this._layout) {
      this._layout = layout;
      this._stateChanged.emit(layout);
    }
  }

  private _layout: DiffLayout;
  private readonly _stateChanged = new Signal<this, DiffLayout>(this);
  private readonly _settings: ISettingRegistry.ISettings | null;
}

function read(settings: ISettingRegistry.ISettings): DiffLayout {
  return settings.get('diffLayout').composite === 'split' ? 'split' : 'unified';
}
