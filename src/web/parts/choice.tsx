export interface ChoiceProps<Value extends string> {
  label: string;
  options: readonly (readonly [value: Value, title: string])[];
  value: Value;
  onChange(value: Value): void;
}

/** A few alternatives, of which one holds. */
export function Choice<Value extends string>({ label, options, value, onChange }: ChoiceProps<Value>) {
  return (
    <fieldset class="choice-field">
      <legend class="visually-hidden">{label}</legend>
      <span class="choice">
        {options.map(([one, title]) => (
          <button key={one} type="button" aria-pressed={one === value} onClick={() => onChange(one)}>
            {title}
          </button>
        ))}
      </span>
    </fieldset>
  );
}
