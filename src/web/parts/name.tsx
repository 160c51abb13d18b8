import type { ComponentChildren } from 'preact';

/** A name that is longer may be cut; the whole of it is then told on hover. */
const SURE = 12;

/** A name on one line, apart from the text around it; a long one is cut, with the whole on hover. */
export function Name({ text, title }: { text: string; title?: string }) {
  return (
    <bdi class="name" title={title ?? (text.length > SURE ? text : undefined)}>
      {text}
    </bdi>
  );
}

/** Several names, with commas. */
export function Names({ texts }: { texts: readonly string[] }): ComponentChildren {
  return texts.map((text, index) => (
    <span key={text} class="listed">
      <Name text={text} />
      {index < texts.length - 1 && ', '}
    </span>
  ));
}
