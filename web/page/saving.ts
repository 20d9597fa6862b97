/** Saves files on the device. */

/** Saves a file under a name. */
export function save(content: Blob | string, name: string): void {
  const link = linkTo(typeof content === "string" ? new Blob([content]) : content, name);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // once the browser has surely begun
}

/** A link that saves a file; its address stays valid as long as the page does. */
export function linkTo(content: Blob, name: string): HTMLAnchorElement {
  return Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(content),
    download: name,
  });
}

/** A name such as fkd-2026-05-04-13-37-00.png, in local time. */
export function fileName(extension: string): string {
  const now = new Date();
  const local = new Date(now.getTime() - 60_000 * now.getTimezoneOffset());
  return `fkd-${local.toISOString().slice(0, 19).replace(/[T:]/g, "-")}.${extension}`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
