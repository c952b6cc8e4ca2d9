import * as React from 'react';

export interface IPersonButtonProps {
  readonly label: string;
  readonly onPress: () => void;
  /** What a screen reader says where the label alone is not enough. */
  readonly ariaLabel?: string;
  readonly look?: 'primary' | 'accept' | 'reject' | 'plain' | 'link';
  readonly disabled?: boolean;
  /** For buttons that stay pressed; the state is shown and read out. */
  readonly pressed?: boolean;
  readonly title?: string;
}

/**
 * A button that only a person can press: events that a script made (`isTrusted` false) are ignored, so that
 * stored output cannot decide in a person's name.
 */
export function PersonButton(props: IPersonButtonProps): JSX.Element {
  const onClick = (event: React.MouseEvent): void => {
    if (event.nativeEvent.isTrusted) {
      props.onPress();
    }
  };
  return (
    <button
      type="button"
      className={
        props.look === 'link'
          ? 'jp-Hermes-link'
          : `jp-Hermes-button jp-mod-${props.look ?? 'plain'}`
      }
      onClick={onClick}
      disabled={props.disabled}
      aria-label={props.ariaLabel}
      aria-pressed={props.pressed}
      title={props.title}
    >
      {props.label}
    </button>
  );
}
