/**
 * Characters that are not seen but change what is: control characters, format characters (bidirectional overrides,
 * zero-width spaces, tags), other code points that fonts draw as nothing, separators and unpaired surrogates.
 */
const UNSEEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** The text with every character that could reorder or hide a part of it spelled out, such as \u202e. */
export function visible(text: string): string {
  return text.replace(UNSEEN, spelled);
}

function spelled(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16);
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
}
