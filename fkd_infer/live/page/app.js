"use strict";

const POLL_MS = 500;
const LAYER_TITLES = { contours: "Contours", points: "Points", box: "Boxes", score: "Ids and scores" };
const element = (id) => document.getElementById(id);

let built = false;
let connected = false;
let sending = 0;

function capitalized(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function addControl(kind, group, name, title) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  const text = document.createElement("span");
  input.type = kind;
  input.name = group;
  input.value = name;
  input.addEventListener("change", () => change(group));
  text.textContent = title;
  label.append(...(group === "layers" ? [text, input] : [input, text]));
  element(group).append(label);
}

function buildControls(state) {
  document.title = `${state.source} – fkd live`;
  element("source").textContent = state.source;
  for (const { name, title } of state.choices.filters) addControl("checkbox", "filters", name, title);
  for (const name of state.choices.smoothing) addControl("radio", "smoothing", name, capitalized(name));
  for (const name of state.choices.layers) {
    addControl("checkbox", "layers", name, LAYER_TITLES[name] ?? capitalized(name));
  }
  if (state.choices.filters.length === 0) {
    const none = document.createElement("p");
    none.className = "none";
    none.textContent = "No filter is made for this model.";
    element("filters").append(none);
  }
  built = true;
}

function values(group) {
  return [...element(group).querySelectorAll("input:checked")].map((input) => input.value);
}

function show(state) {
  if (!built) buildControls(state);
  if (sending === 0) {
    for (const group of ["filters", "smoothing", "layers"]) {
      const on = [state.look[group]].flat();
      for (const input of element(group).querySelectorAll("input")) input.checked = on.includes(input.value);
    }
  }
  const { fps, ms, faces, frames, dropped, width, height, viewers } = state.stats;
  element("fps").textContent = fps.toFixed(1);
  element("ms").textContent = ms.toFixed(1);
  element("faces").textContent = faces;
  element("size").textContent = `${width} × ${height}`;
  element("more").textContent =
    `${frames} frames shown, ${dropped} dropped, ${viewers} ${viewers === 1 ? "viewer" : "viewers"}`;
}

function showStatus(state, text, notice) {
  element("status").dataset.state = state;
  if (element("status").textContent !== text) element("status").textContent = text;
  element("notice").textContent = notice;
  element("notice").hidden = notice === "";
}

function showProblem(text) {
  element("problem").textContent = text;
  element("problem").hidden = text === "";
}

async function ask(options) {
  const answer = await fetch("/state", { signal: AbortSignal.timeout(5000), ...options });
  if (answer.ok) return answer.json();
  const refusal = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  throw new Error(refusal.error);
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
    showProblem("");
  } catch (error) {
    showProblem(`Not changed: ${error.message}`);
  } finally {
    sending -= 1;
  }
  if (state) show(state);
}

function play() {
  if (connected && !document.hidden) element("video").src = `/stream?${Date.now()}`;
  else element("video").removeAttribute("src");
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
    showStatus(moving ? "live" : "waiting", moving ? "live" : "no frames", moving ? "" : "No frames arrive.");
  } catch (error) {
    if (connected) {
      connected = false;
      play();
    }
    showStatus("lost", "not connected", "The program has ended or cannot be reached. Trying again.");
  }
  setTimeout(poll, POLL_MS);
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else element("stage").requestFullscreen().catch(() => showProblem("This browser has no full screen."));
}

element("wide").addEventListener("click", toggleFullScreen);
document.addEventListener("fullscreenchange", () => {
  element("wide").setAttribute("aria-pressed", String(document.fullscreenElement !== null));
});
// A hidden tab needs no video.
document.addEventListener("visibilitychange", play);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === "f") toggleFullScreen();
  if (event.key === "s") element("snapshot").click();
});

// The cookie replaces the token, so the address need not show it.
if (location.search) history.replaceState(null, "", "/");
poll();
