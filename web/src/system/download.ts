/** Loads files from addresses. */

import { DownloadError, oneLine } from "../errors";

/** What to do about an address that does not answer. */
export const CONNECTION = "check the connection, and try again";

/** The contents of an address; throws DownloadError with the reason. */
export async function download(address: string): Promise<Blob> {
  try {
    const response = await fetch(address);
    if (response.ok) return await response.blob();
    const status = `${response.status} ${response.statusText}`.trim();
    throw new DownloadError(address, `cannot be loaded: ${status}`);
  } catch (error) {
    if (error instanceof DownloadError) throw error;
    throw new DownloadError(address, `cannot be loaded: ${oneLine(error)}`, CONNECTION);
  }
}
