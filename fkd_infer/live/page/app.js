"use strict";

const POLL_MS = 500;
const LAYER_TITLES = { contours: "Contours", points: "Points", box: "Boxes", score: "Ids and scores" };
const at = (id) => document.getElementById(id);

let built = false;
let connected = false;
let sending = 0;

function titled(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function control(kind, group, name, title) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  const text = document.createElement("span");
  input.type = kind;
  input.name = group;
  input.value = name;
  input.addEventListener("change", () => change(group));
  text.textContent = title;
  label.append(...(group === "layers" ? [text, input] : [input, text]));
  at(group).append(label);
}

function build(state) {
  document.title = `${state.source} – fkd live`;
  at("source").textContent = state.source;
  for (const { name, title } of state.choices.filters) control("checkbox", "filters", name, title);
  for (const name of state.choices.smoothing) control("radio", "smoothing", name, titled(name));
  for (const name of state.choices.layers) {
    control("checkbox", "layers", name, LAYER_TITLES[name] ?? titled(name));
  }
  if (state.choices.filters.length === 0) {
    const none = document.createElement("p");
    none.className = "none";
    none.textContent = "There are none for this model.";
    at("filters").append(none);
  }
  built = true;
}

function values(group) {
  return [...at(group).querySelectorAll("input:checked")].map((input) => input.value);
}

function show(state) {
  if (!built) build(state);
  if (sending === 0) {
    for (const group of ["filters", "smoothing", "layers"]) {
      const on = [state.look[group]].flat();
      for (const input of at(group).querySelectorAll("input")) input.checked = on.includes(input.value);
    }
  }
  const { fps, ms, faces, frames, dropped, width, height, viewers } = state.stats;
  at("fps").textContent = fps.toFixed(1);
  at("ms").textContent = ms.toFixed(1);
  at("faces").textContent = faces;
  at("size").textContent = `${width} × ${height}`;
  at("more").textContent =
    `${frames} frames shown, ${dropped} left out, ${viewers} ${viewers === 1 ? "viewer" : "viewers"}`;
}

function status(state, text, notice) {
  at("status").dataset.state = state;
  if (at("status").textContent !== text) at("status").textContent = text;
  at("notice").textContent = notice;
  at("notice").hidden = notice === "";
}

function problem(text) {
  at("problem").textContent = text;
  at("problem").hidden = text === "";
}

async function ask(options) {
  const answer = await fetch("/state", { signal: AbortSignal.timeout(5000), ...options });
  const state = await answer.json();
  if (!answer.ok) throw new Error(state.error);
  return state;
}

async function change(group) {
  const on = values(group);
  sending += 1;
  let state = null;
  try {
    state = await ask({
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ [group]: group === "smoothing" ? on[0] : on }),
    });
    problem("");
  } catch (error) {
    problem(`Not changed: ${error.message}`);
  } finally {
    sending -= 1;
  }
  if (state) show(state);
}

function play() {
  if (connected && !document.hidden) at("video").src = `/stream?${Date.now()}`;
  else at("video").removeAttribute("src");
}

async function poll() {
  try {
    const state = await ask({});
    show(state);
    if (!connected) {
      connected = true;
      play();
    }
    const moving = state.stats.fps > 0;
    status(moving ? "live" : "waiting", moving ? "live" : "no frames", moving ? "" : "No frames arrive.");
  } catch (error) {
    if (connected) {
      connected = false;
      play();
    }
    status("lost", "not connected", "The program has ended or cannot be reached. Waiting for it.");
  }
  setTimeout(poll, POLL_MS);
}

function wide() {
  if (document.fullscreenElement) document.exitFullscreen();
  else at("stage").requestFullscreen().catch(() => problem("This browser has no full screen."));
}

at("wide").addEventListener("click", wide);
document.addEventListener("fullscreenchange", () => {
  at("wide").setAttribute("aria-pressed", String(document.fullscreenElement !== null));
});
// A tab that nobody sees needs no video.
document.addEventListener("visibilitychange", play);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === "f") wide();
  if (event.key === "s") at("snapshot").click();
});

// The cookie has the token now; the address need not show it.
if (location.search) history.replaceState(null, "", "/");
poll();
