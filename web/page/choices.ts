/** Groups of checkboxes or radio buttons. */

import { element } from "./elements";

export interface Choice<Value extends string> {
  readonly value: Value;
  readonly title: string;
  /** Why it cannot be chosen, or null. */
  readonly problem?: string | null;
}

interface Style {
  readonly kind: "checkbox" | "radio";
  /** Whether the text stands before its box. */
  readonly textFirst?: boolean;
}

/** Fills a group; `changed` is called with all values that are on. */
export function buildChoices<Value extends string>(
  group: string,
  { kind, textFirst = false }: Style,
  choices: readonly Choice<Value>[],
  selected: readonly Value[],
  changed: (values: Value[]) => void,
): void {
  const rows = choices.map(({ value, title, problem = null }) => {
    const [label, input, text] = ["label", "input", "span"].map((tag) =>
      document.createElement(tag),
    ) as [HTMLLabelElement, HTMLInputElement, HTMLSpanElement];
    Object.assign(input, { type: kind, name: group, value });
    input.checked = selected.includes(value) && problem === null;
    input.disabled = problem !== null;
    if (problem !== null) label.title = problem;
    input.addEventListener("change", () => changed(chosen(group)));
    text.textContent = title;
    label.append(...(textFirst ? [text, input] : [input, text]));
    return label;
  });
  element(group).replaceChildren(...rows);
}

/** The values of a group that are on. */
export function chosen<Value extends string>(group: string): Value[] {
  const inputs = element(group).querySelectorAll<HTMLInputElement>("input:checked");
  return [...inputs].map(({ value }) => value as Value);
}
