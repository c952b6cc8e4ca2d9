import { describe, expect, it } from 'vitest';

import { visible } from './visible_text';

describe('a text that a person decides about', () => {
  it('cannot be reordered or hidden by characters that are not seen', () => {
    expect(visible('ls \u202e# x\u202c')).toBe('ls \\u202e# x\\u202c');
    expect(visible('r\u200bm\u2066\ufeff')).toBe('r\\u200bm\\u2066\\ufeff');
    expect(visible('rm x\rls\u001b[2K\u0000\u009b')).toBe('rm x\\u000dls\\u001b[2K\\u0000\\u009b');
    expect(visible('\u{e0061}\u{e0100}\u3164\u2028\ud800')).toBe(
      '\\u{e0061}\\u{e0100}\\u3164\\u2028\\ud800'
    );
  });

  it('keeps its line breaks, its tabs and every script', () => {
    const text = 'for i in 1 2\n\tdo echo "Größe 数 שלום 🙂"';
    expect(visible(text)).toBe(text);
  });
});
