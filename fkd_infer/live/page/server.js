// Requests to the server. Each answers with the page's state, and fails with an Error whose message
// is a line for the viewer.

const TIMEOUT_MS = 5000;

/** The server answers, and refuses: its program was started again, or forbids the change. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function getState() {
  return request("/state", {});
}

export function changeSettings(changes) {
  return post("/state", changes);
}

export function setRecording(active) {
  return post("/recording", { active });
}

function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return request(path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function request(path, options) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS), ...options });
  if (answer.ok) return answer.json();
  const { error } = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  throw new Refusal(answer.status, error);
}
