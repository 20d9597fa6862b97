/** A filter as a folder: filter.json, which places the pictures, and the pictures themselves. */

import { DownloadError, FilterError, oneLine } from "../errors";
import type { Pixels } from "../geometry/arrays";
import { PixelReader } from "../media/pixel-reader";
import { download } from "../system/download";
import {
  checked,
  integer,
  listOf,
  literal,
  MismatchError,
  name,
  plainProblem,
  record,
} from "../system/strict";
import { mirrorLayer, parseLayer, type FilterLayer } from "./layer";

export const PACK_FILE = "filter.json";
const VERSION = 1;

/** The contents of a filter.json. */
export interface Pack {
  readonly version: number;
  readonly name: string;
  readonly title: string;
  readonly layers: readonly FilterLayer[];
  readonly scheme: "ibug68";
}

const parser = checked(
  record<Omit<Pack, "scheme">, Pick<Pack, "scheme">>(
    { version: integer, name, title: name, layers: listOf(parseLayer) },
    { scheme: [literal("ibug68"), "ibug68"] },
  ),
  ({ version, layers }) => {
    if (version !== VERSION) return `version is ${version}, but this fkd reads ${VERSION}`;
    return layers.length > 0 ? "" : "layers is empty; a filter draws one picture or more";
  },
);

/** Checks a filter.json; throws FilterError that names the file and the field. */
export function parsePack(table: unknown, where: string): Pack {
  const problem = plainProblem(table, "filter");
  if (problem) throw new FilterError(where, problem);
  try {
    return parser(table, "filter");
  } catch (error) {
    if (!(error instanceof MismatchError)) throw error;
    throw new FilterError(where, error.message);
  }
}

/** Each layer with its picture, RGBA; a mirrored one twice, then with its mirror image. */
export function withPictures(
  pack: Pack,
  pictures: ReadonlyMap<string, Pixels>,
  where: string,
): [FilterLayer, Pixels][] {
  const pairs = pack.layers.map((layer): [FilterLayer, Pixels] => {
    const picture = pictures.get(layer.image);
    if (picture === undefined) throw new FilterError(where, `'${layer.image}' is missing`);
    return [layer, picture];
  });
  const mirrored = pairs
    .filter(([layer]) => layer.mirrored)
    .map(([layer, picture]): [FilterLayer, Pixels] => [
      mirrorLayer(layer, picture.width),
      mirrorPicture(picture),
    ]);
  return [...pairs, ...mirrored];
}

/** Loads a pack from the address of its filter.json; `address` finds the files beside it. */
export async function loadPack(
  packFile: string,
  address: (file: string) => string = (file) =>
    new URL(file, new URL(packFile, document.baseURI)).href,
): Promise<[Pack, Map<string, Pixels>]> {
  let table: unknown;
  try {
    table = JSON.parse(await (await download(packFile)).text());
  } catch (error) {
    if (error instanceof DownloadError) throw error;
    throw new FilterError(packFile, `not JSON: ${oneLine(error)}`);
  }
  const pack = parsePack(table, packFile);
  const names = [...new Set(pack.layers.map(({ image }) => image))];
  const pictures = await Promise.all(
    names.map((file) => loadPicture(packFile, file, address(file))),
  );
  return [pack, new Map(names.map((file, number) => [file, pictures[number]]))];
}

async function loadPicture(packFile: string, file: string, address: string): Promise<Pixels> {
  const blob = await download(address);
  try {
    return new PixelReader().read(await createImageBitmap(blob, { premultiplyAlpha: "none" }));
  } catch (error) {
    throw new FilterError(packFile, `'${file}' is no picture: ${oneLine(error)}`);
  }
}

function mirrorPicture({ data, width, height, channels }: Pixels): Pixels {
  const mirrored = new Uint8Array(data.length);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const x = pixel % width;
    const from = channels * (pixel - x + (width - 1 - x));
    mirrored.set(data.subarray(from, from + channels), channels * pixel);
  }
  return { data: mirrored, width, height, channels };
}
