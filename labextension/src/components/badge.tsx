export type Tone = 'good' | 'bad' | 'warn' | 'active' | 'quiet';

/** A short word with a tone; the word carries the meaning, the colour only repeats it. */
export function Badge(props: {
  readonly tone: Tone;
  readonly text: string;
  readonly title?: string;
}): JSX.Element {
  return (
    <span className={`jp-Hermes-badge jp-mod-${props.tone}`} title={props.title}>
      {props.text}
    </span>
  );
}
