/** The page's elements by id, and the texts that change. */

export function element<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element '${id}'`);
  return found as E;
}

/** Sets a text if it differs, so that screen readers hear only changes. */
export function setText(id: string, text: string): void {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
}

/** Shows what went wrong; an empty text hides it. */
export function showProblem(text: string): void {
  setText("problem", text);
  element("problem").hidden = text === "";
}

/** What the page does: `state` colours the dot beside it. */
export function showStatus(state: "waiting" | "live" | "lost", text: string): void {
  element("status").dataset["state"] = state;
  setText("status", text);
}

export function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** "1 face", "2 faces". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
