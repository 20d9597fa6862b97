/** Stores the page for visits without a network. */

/** Registers the service worker; says in words what became of it. */
export async function storeForOffline(): Promise<string> {
  if (!("serviceWorker" in navigator)) return "It is not stored for use without a network.";
  try {
    await navigator.serviceWorker.register("service-worker.js");
    await navigator.serviceWorker.ready;
  } catch {
    // The host has none, such as fkd-infer web; or the browser forbids it, as in private windows.
    return "It is not stored for use without a network.";
  }
  return "Works without a network from now on.";
}
