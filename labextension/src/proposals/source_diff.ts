import { jupyterHighlightStyle, jupyterTheme } from '@jupyterlab/codemirror';
import { syntaxHighlighting, type LanguageSupport } from '@codemirror/language';
import {
  Change as TextChange,
  MergeView,
  presentableDiff,
  unifiedMergeView
} from '@codemirror/merge';
import {
  Compartment,
  EditorState,
  StateField,
  type Extension,
  type Range
} from '@codemirror/state';
import {
  Decoration,
  EditorView,
  lineNumbers,
  WidgetType,
  type DecorationSet
} from '@codemirror/view';

import type { Word } from './model';
import type { IHunkRange } from './hunk_ranges';

export type DiffLayout = 'unified' | 'split';

export interface ISourceDiffOptions {
  /** The old text; null for a new cell. */
  readonly before: string | null;
  /** The new text; null for a deleted cell. */
  readonly after: string | null;
  /** Every stretch that differs. */
  readonly ranges: readonly IHunkRange[];
  readonly layout: DiffLayout;
  readonly language: LanguageSupport | null;
  /** What the text is, for a screen reader. */
  readonly label: string;
}

/** What a hunk's bar shows and does; null for a diff without bars. */
export interface IHunkBars {
  readonly words: Readonly<Record<string, Word>>;
  readonly isEnabled: boolean;
  readonly onDecide: (hunkId: string, word: Word) => void;
}

/** The difference of a source: read-only, unified or side by side, with a bar above each hunk that can be decided. */
export class SourceDiff {
  constructor(host: HTMLElement, options: ISourceDiffOptions) {
    this._ranges = options.ranges;
    if (options.before === null || options.after === null) {
      this._editor = oneSidedView(host, options);
      this._destroy = () => this._editor.destroy();
    } else if (options.layout === 'split') {
      const view = splitView(host, options, this._bars);
      this._editor = view.b;
      this._destroy = () => view.destroy();
    } else {
      const view = unifiedView(host, options, this._bars);
      this._editor = view;
      this._destroy = () => view.destroy();
    }
  }

  /** Show what was decided about the hunks. */
  setBars(bars: IHunkBars | null): void {
    const extension = bars ? barField(this._ranges, bars) : [];
    this._editor.dispatch({ effects: this._bars.reconfigure(extension) });
  }

  destroy(): void {
    this._destroy();
  }

  private readonly _bars = new Compartment();
  private readonly _ranges: readonly IHunkRange[];
  private readonly _editor: EditorView;
  private readonly _destroy: () => void;
}

const COLLAPSE = { margin: 3, minSize: 6 };

function splitView(host: HTMLElement, options: ISourceDiffOptions, bars: Compartment): MergeView {
  return new MergeView({
    parent: host,
    a: { doc: options.before ?? '', extensions: readOnly(options, `${options.label}, before`) },
    b: {
      doc: options.after ?? '',
      extensions: [readOnly(options, `${options.label}, after`), bars.of([])]
    },
    gutter: true,
    collapseUnchanged: COLLAPSE,
    diffConfig: diffConfig(options.ranges)
  });
}

function unifiedView(
  host: HTMLElement,
  options: ISourceDiffOptions,
  bars: Compartment
): EditorView {
  return new EditorView({
    parent: host,
    doc: options.after ?? '',
    extensions: [
      // Before the merge view, so that a bar stands above the deleted lines of its hunk.
      bars.of([]),
      readOnly(options, options.label),
      unifiedMergeView({
        original: options.before ?? '',
        mergeControls: false,
        gutter: true,
        collapseUnchanged: COLLAPSE,
        diffConfig: diffConfig(options.ranges)
      })
    ]
  });
}

/** All of a new or of a deleted cell: nothing to compare it with. */
function oneSidedView(host: HTMLElement, options: ISourceDiffOptions): EditorView {
  const side = options.before === null ? 'jp-mod-added' : 'jp-mod-removed';
  return new EditorView({
    parent: host,
    doc: options.after ?? options.before ?? '',
    extensions: [readOnly(options, options.label), EditorView.editorAttributes.of({ class: side })]
  });
}

function readOnly(options: ISourceDiffOptions, label: string): Extension {
  return [
    EditorState.readOnly.of(true),
    EditorView.editable.of(false),
    EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '-1' }),
    EditorView.lineWrapping,
    lineNumbers(),
    jupyterTheme,
    syntaxHighlighting(jupyterHighlightStyle),
    options.language ?? []
  ];
}

/** The server's hunks are the chunks; inside each, the words that differ. */
function diffConfig(
  ranges: readonly IHunkRange[]
): { override: (a: string, b: string) => readonly TextChange[] } | undefined {
  if (ranges.length === 0) {
    return undefined;
  }
  return { override: (a, b) => ranges.flatMap(range => wordsIn(range, a, b)) };
}

function wordsIn(range: IHunkRange, a: string, b: string): TextChange[] {
  const { fromA, fromB } = range;
  return presentableDiff(a.slice(fromA, range.toA), b.slice(fromB, range.toB)).map(
    ({ fromA: from, toA: to, fromB: fromNew, toB: toNew }) =>
      new TextChange(fromA + from, fromA + to, fromB + fromNew, fromB + toNew)
  );
}

function barField(ranges: readonly IHunkRange[], bars: IHunkBars): Extension {
  const decorations = (): DecorationSet =>
    Decoration.set(
      ranges.map((range, index): Range<Decoration> => {
        const widget = new HunkBar(range.hunkId, index + 1, ranges.length, bars);
        return Decoration.widget({ widget, block: true, side: -2 }).range(range.fromB);
      })
    );
  return StateField.define<DecorationSet>({
    create: decorations,
    update: value => value,
    provide: field => EditorView.decorations.from(field)
  });
}

class HunkBar extends WidgetType {
  constructor(
    private readonly _hunkId: string,
    private readonly _number: number,
    private readonly _total: number,
    private readonly _bars: IHunkBars
  ) {
    super();
  }

  override eq(other: HunkBar): boolean {
    return (
      other._hunkId === this._hunkId &&
      other._bars.words[this._hunkId] === this._bars.words[this._hunkId] &&
      other._bars.isEnabled === this._bars.isEnabled &&
      other._bars.onDecide === this._bars.onDecide
    );
  }

  toDOM(): HTMLElement {
    const bar = document.createElement('div');
    bar.className = 'jp-Hermes-hunk';
    bar.setAttribute('role', 'group');
    bar.setAttribute('aria-label', `Part ${this._number} of ${this._total}`);
    const label = document.createElement('span');
    label.textContent = `Part ${this._number} of ${this._total}`;
    bar.append(label, this._button('accept', 'Accept part'), this._button('reject', 'Reject part'));
    return bar;
  }

  override ignoreEvent(): boolean {
    return true;
  }

  private _button(word: Word, label: string): HTMLElement {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = `jp-Hermes-button jp-mod-${word} jp-mod-small`;
    button.textContent = label;
    button.disabled = !this._bars.isEnabled;
    button.setAttribute('aria-label', `${label} ${this._number} of ${this._total}`);
    button.setAttribute('aria-pressed', String(this._bars.words[this._hunkId] === word));
    button.addEventListener('click', event => {
      // Only a person decides: a click that a script made is not trusted.
      if (event.isTrusted) {
        this._bars.onDecide(this._hunkId, word);
      }
    });
    return button;
  }
}
