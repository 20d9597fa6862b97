/**
 * Stores the page, so that it works without a network from the second visit on, and adds the headers
 * that many hosts do not send: with them WebAssembly uses threads. A new version of the page is used
 * once all its windows have been closed.
 */

interface Precache {
  /** The SHA-256 of each file by its path. */
  readonly files: Readonly<Record<string, string>>;
  /** Files that are stored once they were used. */
  readonly later: readonly string[];
}

declare const PAGE_HEADERS: Readonly<Record<string, string>>;

const worker = self as unknown as ServiceWorkerGlobalScope & { readonly PRECACHE: Precache };
worker.importScripts("precache.js");

const { files, later } = worker.PRECACHE;
const SCOPE = new URL("./", worker.location.href).href;
const PREFIX = `fkd ${SCOPE} `;

/** Answers change with the files: the digest of all of them names the store. */
async function cacheName(): Promise<string> {
  const all = new TextEncoder().encode(JSON.stringify(files));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
  return (
    PREFIX + [...digest.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("")
  );
}

async function store(): Promise<void> {
  const cache = await caches.open(await cacheName());
  const paths = Object.keys(files).filter((path) => !later.includes(path));
  await cache.addAll(paths.map((path) => new Request(SCOPE + path, { cache: "no-cache" })));
}

async function removeOldVersions(): Promise<void> {
  const current = await cacheName();
  const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== current);
  await Promise.all(old.map((name) => caches.delete(name)));
  await worker.clients.claim();
}

async function answer(path: string, request: Request): Promise<Response> {
  const cache = await caches.open(await cacheName());
  let response = await cache.match(SCOPE + path);
  if (response === undefined) {
    response = await fetch(request);
    if (response.ok) await cache.put(SCOPE + path, response.clone());
  }
  // Documents and threads have a policy of their own; the rest is under theirs.
  return ["document", "worker", "script"].includes(request.destination)
    ? withHeaders(response)
    : response;
}

function withHeaders(response: Response): Response {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(PAGE_HEADERS)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}

worker.addEventListener("install", (event) => event.waitUntil(store()));
worker.addEventListener("activate", (event) => event.waitUntil(removeOldVersions()));
worker.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const address = new URL(url);
  if (method !== "GET" || !url.startsWith(SCOPE)) return;
  const path = (address.origin + address.pathname).slice(SCOPE.length) || "index.html";
  if (path in files) event.respondWith(answer(path, event.request));
});
