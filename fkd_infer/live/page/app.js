// The live page: asks the server for its state twice a second, shows it, and sends changes.

import { SWITCHES, buildControls, element, enableControls, setControls } from "./controls.js";
import { Refusal, changeSettings, getState, setRecording } from "./server.js";

const POLL_MS = 500;
const RETRY_MS = 1000;
const NOTICES = {
  lost: [
    "No connection to the program",
    "It has ended, or this device has left its network. The picture comes back by itself once the program answers.",
  ],
  refused: [
    "This page is no longer valid",
    "The program was started again, or wants a token. Open the complete address that it prints in its terminal.",
  ],
  waiting: ["No picture arrives", "The program runs, and waits for its source."],
  full: ["The picture cannot be shown", "Too many viewers are watching. It comes once one of them leaves."],
};

let connected = false;
let streaming = false;
let sending = 0;
let recorded = null; // the number of the newest recording that this page knows
let saveNext = false; // whether this page ended the recording that is being written

const isPressed = (name) => element(name).getAttribute("aria-pressed") === "true";

function show(state) {
  buildControls(state.choices, change);
  if (sending === 0) setControls(state.look);
  document.title = `${state.source} – fkd live`;
  element("source").textContent = state.source;
  showFigures(state.stats);
  showRecording(state.recording);
  if (state.problem || state.recording.problem) showProblem(state.problem || state.recording.problem);
  else if (element("problem").dataset.from === "state") showProblem("");
  element("problem").dataset.from = state.problem || state.recording.problem ? "state" : "change";
}

function showFigures({ fps, ms, faces, frames, dropped, width, height, viewers }) {
  element("fps").textContent = fps.toFixed(1);
  element("ms").textContent = ms.toFixed(1);
  element("faces").textContent = faces;
  element("more").textContent =
    `${width} × ${height}, ${frames} frames shown, ${dropped} dropped, ` +
    `${viewers} ${viewers === 1 ? "viewer" : "viewers"}`;
  element("stage").style.setProperty("--ratio", `${width} / ${height}`);
}

function showRecording({ active, seconds, number }) {
  const minutes = Math.floor(seconds / 60);
  element("recording").hidden = !active;
  element("recording").textContent = `Recording ${minutes}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  element("record").setAttribute("aria-pressed", String(active));
  if (recorded !== null && number !== recorded && saveNext) {
    saveNext = false;
    element("saved").click();
  }
  recorded = number;
  element("saved").hidden = number === 0;
}

/** Clears what is known no longer. */
function clear() {
  for (const id of ["fps", "ms", "faces"]) element(id).textContent = "–";
  element("more").textContent = "";
  element("recording").hidden = true;
  element("record").setAttribute("aria-pressed", "false");
  element("saved").hidden = true;
  recorded = null;
  showProblem("");
}

function showStatus(state, text, notice) {
  document.body.dataset.state = state;
  setText(element("status"), text);
  const [title, words] = NOTICES[notice] ?? ["", ""];
  setText(element("notice").querySelector("h2"), title);
  setText(element("notice").querySelector("p"), words);
  element("notice").hidden = title === "";
}

/** Sets a text only where it differs: screen readers read each change of a status. */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function showProblem(text) {
  setText(element("problem"), text);
  element("problem").hidden = text === "";
}

async function send(request) {
  sending += 1;
  let state = null;
  try {
    state = await request();
    showProblem("");
  } catch (error) {
    showProblem(`Not changed: ${error.message}`);
  } finally {
    sending -= 1;
  }
  if (state) show(state);
  enableControls(connected);
}

function change(changes) {
  return send(() => changeSettings(changes));
}

function record() {
  const active = !isPressed("record");
  saveNext = !active;
  return send(() => setRecording(active));
}

/** Starts the stream, or ends it; a hidden tab needs none. */
function play() {
  const video = element("video");
  streaming = connected && !document.hidden;
  video.hidden = !streaming;
  if (streaming) video.src = `/stream?${Date.now()}`;
  else video.removeAttribute("src");
}

async function poll() {
  try {
    const state = await getState();
    const reconnected = !connected;
    connected = true;
    show(state);
    enableControls(true);
    if (reconnected || !streaming) play();
    if (!streaming && !document.hidden) showStatus("waiting", "no picture", "full");
    else if (state.look.paused) showStatus("paused", "paused", "");
    else if (state.stats.fps > 0) showStatus("live", "live", "");
    else showStatus("waiting", "no picture", "waiting");
  } catch (error) {
    if (connected) {
      connected = false;
      play();
    }
    clear();
    enableControls(false);
    const refused = error instanceof Refusal && error.status === 401;
    showStatus("lost", "not connected", refused ? "refused" : "lost");
  }
  setTimeout(poll, connected ? POLL_MS : RETRY_MS);
}

function saveSnapshot() {
  const link = document.createElement("a");
  link.href = "/snapshot.png";
  link.download = "";
  link.click();
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else element("stage").requestFullscreen().catch(() => showProblem("This browser allows no full screen here."));
}

const ACTIONS = { snapshot: saveSnapshot, record, wide: toggleFullScreen };
for (const name of SWITCHES) ACTIONS[name] = () => change({ [name]: !isPressed(name) });
for (const [id, act] of Object.entries(ACTIONS)) element(id).addEventListener("click", act);

for (const button of document.querySelectorAll(".off")) {
  button.addEventListener("click", () => change({ [button.dataset.group]: [] }));
}
element("sources").addEventListener("change", (event) => change({ source: Number(event.target.value) }));

const KEYS = { f: "wide", s: "snapshot", p: "paused", m: "mirrored", r: "record" };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.matches("select")) return; // letters choose there
  if (KEYS[event.key]) element(KEYS[event.key]).click();
});

element("video").addEventListener("error", () => {
  streaming = false;
  element("video").hidden = true;
});
element("wide").hidden = !document.fullscreenEnabled;
document.addEventListener("fullscreenchange", () => {
  element("wide").setAttribute("aria-pressed", String(document.fullscreenElement !== null));
});
document.addEventListener("visibilitychange", play);

// The cookie replaces the token, so the address need not show it.
if (location.search) history.replaceState(null, "", "/");
enableControls(false);
poll();
