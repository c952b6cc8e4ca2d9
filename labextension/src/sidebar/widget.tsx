import { ReactWidget } from '@jupyterlab/apputils';

import { hermesIcon } from '../icon';
import type { IHermesSidebar, ISidebarSection } from '../tokens';

/** The Hermes panel at the left: the sections that the nouns add, one below the other. */
export class HermesSidebar extends ReactWidget implements IHermesSidebar {
  constructor(private readonly _onReveal: () => void) {
    super();
    this.id = 'hermes-sidebar';
    this.addClass('jp-Hermes-sidebar');
    this.title.icon = hermesIcon;
    this.title.caption = 'Hermes: proposals, runs and approvals';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Hermes');
  }

  addSection(section: ISidebarSection): void {
    this._sections = [...this._sections, section].sort((a, b) => a.rank - b.rank);
    this.update();
  }

  reveal(): void {
    this._onReveal();
  }

  protected override render(): JSX.Element {
    return (
      <>
        {this._sections.map(({ id, render: Section }) => (
          <Section key={id} />
        ))}
      </>
    );
  }

  private _sections: readonly ISidebarSection[] = [];
}
