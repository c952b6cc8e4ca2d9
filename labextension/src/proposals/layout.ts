import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { Signal, type ISignal } from '@lumino/signaling';

import type { DiffLayout } from './source_diff';

/** How differences are shown: a setting of the person, the same on all review pages. */
export class LayoutSetting {
  constructor(settings: Promise<ISettingRegistry.ISettings>) {
    this._settings = settings;
    void this._follow();
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
    const settings = await this._settings;
    await settings.set('diffLayout', layout);
  }

  private async _follow(): Promise<void> {
    const settings = await this._settings;
    this._set(read(settings));
    settings.changed.connect(() => this._set(read(settings)));
  }

  private _set(layout: DiffLayout): void {
    if (layout !== this._layout) {
      this._layout = layout;
      this._stateChanged.emit(layout);
    }
  }

  private _layout: DiffLayout = 'unified';
  private readonly _stateChanged = new Signal<this, DiffLayout>(this);
  private readonly _settings: Promise<ISettingRegistry.ISettings>;
}

function read(settings: ISettingRegistry.ISettings): DiffLayout {
  return settings.get('diffLayout').composite === 'split' ? 'split' : 'unified';
}
