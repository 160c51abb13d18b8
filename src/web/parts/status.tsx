/** How a state is to be taken; each tone has its own shape, since colour alone tells too few people. */
export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'off';

const SHAPES: Readonly<Record<Tone, string>> = {
  good: 'M5 0.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9z',
  busy: 'M1.5 0.5l7.5 4.5l-7.5 4.5z',
  warn: 'M5 0.5l5 9h-10z',
  bad: 'M0.5 0.5h9v9h-9z',
  off: 'M1 0.5h3v9h-3zM6 0.5h3v9h-3z',
};

/** A shape and a word. */
export function Status({ tone, text }: { tone: Tone; text: string }) {
  return (
    <span class={`status ${tone}`}>
      <svg viewBox="0 0 10 10" aria-hidden="true" fill="currentColor">
        <path d={SHAPES[tone]} />
      </svg>
      {text}
    </span>
  );
}

const JOB_TONES: Readonly<Record<string, Tone>> = {
  waiting: 'off',
  delayed: 'off',
  active: 'busy',
  completed: 'good',
  failed: 'bad',
  expired: 'warn',
  cancelled: 'warn',
};

export function JobStatus({ state }: { state: string }) {
  return <Status tone={JOB_TONES[state] ?? 'off'} text={state} />;
}
