/** The filters that the page offers: the packs of fkd-infer, by name. */

import { loadFilter, type Filter } from "../src";

const FILES = import.meta.glob<string>("../../fkd_infer/filters/packs/*/*.{json,png}", {
  query: "?url",
  import: "default",
  eager: true,
});

const FOLDER = "../../fkd_infer/filters/packs";

/** The names of the filters. */
export const FILTERS: readonly string[] = Object.keys(FILES)
  .filter((path) => path.endsWith("/filter.json"))
  .map((path) => path.split("/").at(-2) ?? "")
  .sort();

/** Loads a filter by its name. */
export function loadPackFilter(name: string): Promise<Filter> {
  const address = (file: string): string => FILES[`${FOLDER}/${name}/${file}`] ?? file;
  return loadFilter(address("filter.json"), address);
}
