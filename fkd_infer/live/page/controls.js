// The controls of the panel: built from what the server offers, and set to its state.

export const element = (id) => document.getElementById(id);

const LAYER_TITLES = {
  contours: "Contours",
  points: "Points",
  mesh: "Triangles",
  box: "Boxes",
  score: "Scores",
  id: "Ids",
  numbers: "Point numbers",
};
const GROUPS = { filters: "checkbox", layers: "checkbox", smoothing: "radio" };
export const SWITCHES = ["paused", "mirrored"];

let built = "";

/** Builds the controls anew where the server offers something else; `change` gets what viewers do. */
export function buildControls(choices, change) {
  if (built === JSON.stringify(choices)) return;
  built = JSON.stringify(choices);
  buildGroup("filters", choices.filters, change);
  buildGroup("layers", choices.layers.map((name) => ({ name, title: LAYER_TITLES[name] ?? capitalized(name) })), change);
  buildGroup("smoothing", choices.smoothing.map((name) => ({ name, title: capitalized(name) })), change);
  if (choices.filters.length === 0) {
    const none = document.createElement("p");
    none.className = "none";
    none.textContent = "No filter is made for this model.";
    element("filters").append(none);
  }
  element("sources").replaceChildren(...choices.sources.map((title, number) => new Option(title, number)));
  element("choice").hidden = choices.sources.length < 2;
}

/** Sets the controls to what is shown. */
export function setControls(look) {
  for (const group of Object.keys(GROUPS)) {
    const on = [look[group]].flat();
    for (const input of inputs(group)) input.checked = on.includes(input.value);
  }
  for (const name of SWITCHES) element(name).setAttribute("aria-pressed", String(look[name]));
  element("sources").value = String(look.source);
}

/** Enables what can work: nothing without the server, and "All off" only where something is on. */
export function enableControls(connected) {
  for (const control of document.querySelectorAll("#panel :is(button, input, select)")) {
    control.disabled = !connected && control.id !== "wide";
  }
  for (const button of document.querySelectorAll(".off")) {
    button.disabled ||= values(button.dataset.group).length === 0;
  }
}

function buildGroup(group, choices, change) {
  const labels = choices.map(({ name, title }) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    const text = document.createElement("span");
    input.type = GROUPS[group];
    input.name = group;
    input.value = name;
    input.addEventListener("change", () => {
      change({ [group]: input.type === "radio" ? name : values(group) });
    });
    text.textContent = title;
    label.append(...(group === "layers" ? [text, input] : [input, text]));
    return label;
  });
  element(group).replaceChildren(...labels);
}

function inputs(group) {
  return [...element(group).querySelectorAll("input")];
}

function values(group) {
  return inputs(group).filter((input) => input.checked).map((input) => input.value);
}

function capitalized(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
