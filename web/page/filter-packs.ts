/** The filters of `fkd_infer/filters/packs`, which are loaded once they are chosen. */

import { loadFilter, type Filter } from "../src";

const FOLDER = "../../fkd_infer/filters/packs";
const ADDRESSES = import.meta.glob<string>("../../fkd_infer/filters/packs/*/*", {
  eager: true,
  query: "?url",
  import: "default",
});
const TITLES = import.meta.glob<string>("../../fkd_infer/filters/packs/*/filter.json", {
  eager: true,
  import: "title",
});
const loaded = new Map<string, Promise<Filter>>();

export interface PackTitle {
  readonly name: string;
  readonly title: string;
}

/** The landmark scheme that all of them are made for. */
export const SCHEME = "ibug68";
export const PACKS: readonly PackTitle[] = Object.entries(TITLES).map(([path, title]) => ({
  name: path.slice(FOLDER.length + 1).split("/")[0],
  title,
}));

/** A filter, ready to be drawn. */
export function filterOf(name: string): Promise<Filter> {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const addressOf = (file: string): string => ADDRESSES[`${FOLDER}/${name}/${file}`] ?? file;
  const filter = loadFilter(addressOf("filter.json"), addressOf);
  loaded.set(name, filter);
  filter.catch(() => loaded.delete(name)); // it can be tried again
  return filter;
}
