import { Token } from '@lumino/coreutils';

import type { IChanges } from './api/changes';
import type { HermesClient } from './api/client';

/** What every Hermes view works with: the server's operations, and the word that something changed. */
export interface IHermes {
  readonly client: HermesClient;
  readonly changes: IChanges;
}

export const IHermes = new Token<IHermes>(
  'hermes-lab:IHermes',
  'The operations of hermes_lab and the signal that something changed.'
);

/** A section of the Hermes sidebar; the lowest rank is on top. */
export interface ISidebarSection {
  readonly id: string;
  readonly rank: number;
  readonly render: () => JSX.Element;
}

/** The Hermes sidebar, to which each noun adds its section. */
export interface IHermesSidebar {
  addSection(section: ISidebarSection): void;
  /** Bring the sidebar into view. */
  reveal(): void;
}

export const IHermesSidebar = new Token<IHermesSidebar>(
  'hermes-lab:IHermesSidebar',
  'The Hermes sidebar, to which sections can be added.'
);
