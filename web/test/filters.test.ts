import { describe, expect, test } from "vitest";
import { brightnessGain, Filter, mouthOpenness } from "../src/filters/filter";
import { parsePack } from "../src/filters/pack";
import { rasterMesh } from "../src/filters/raster";
import { Texture } from "../src/filters/texture";
import { fitPose, type HeadPose } from "../src/landmarks/head-model";
import type { Pixels } from "../src/geometry/arrays";
import type { Point, Points } from "../src/types";
import { bytes, difference, distances, picture, table, type PictureFile } from "./fixtures";

interface PlacedLayer {
  readonly matrix?: readonly number[] | null;
  readonly points?: Points;
  readonly triangles?: readonly number[][];
}

interface PackFile {
  readonly pack: { readonly name: string; readonly layers: object[] };
  readonly pictures: Readonly<Record<string, PictureFile>>;
  readonly faces: readonly (readonly PlacedLayer[])[];
}

interface MeshFile {
  readonly face: number;
  readonly layer: number;
  readonly box: readonly [number, number, number, number];
  readonly picture: PictureFile;
}

interface Filters {
  readonly points: readonly Points[];
  readonly openness: readonly number[];
  readonly scales: readonly number[];
  readonly packs: readonly PackFile[];
  readonly lumas: readonly number[];
  readonly gain: number;
  readonly meshes: readonly MeshFile[];
  readonly levels: readonly { picture: PictureFile; matrix: readonly number[] }[];
}

const FILTERS = table<Filters>("filters");
const POSES = FILTERS.points.map((points) => fitPose(points) as HeadPose);

function filterOf({ pack, pictures }: PackFile): Filter {
  const files = Object.entries(pictures).map(([name, file]) => [name, picture(file)] as const);
  return Filter.of(parsePack(pack, "filter.json"), new Map<string, Pixels>(files), "filter.json");
}

test("heads turn as in Python, and mouths open", () => {
  POSES.forEach((pose, face) => {
    expect(pose.scale).toBeCloseTo(FILTERS.scales[face], 6);
    expect(mouthOpenness(FILTERS.points[face], pose)).toBeCloseTo(FILTERS.openness[face], 6);
  });
});

test("points in one place are no head", () => {
  expect(fitPose(Array<Point>(68).fill([1, 2]))).toBeNull();
  expect(fitPose(Array<Point>(68).fill([NaN, 2]))).toBeNull();
});

test("a face's light is measured as in Python", () => {
  expect(brightnessGain(FILTERS.lumas)).toBeCloseTo(FILTERS.gain, 5);
});

describe.each(FILTERS.packs)("the filter $pack.name", (file) => {
  const filter = filterOf(file);

  test.each(file.faces.map((layers, face) => ({ face, layers })))(
    "lies on face $face as in Python",
    ({ face, layers }) => {
      const points = FILTERS.points[face];
      expect(filter.layers.length).toBe(layers.length);
      filter.layers.forEach(({ warp, picture: { width, height } }, number) => {
        const [placed, expected] = [warp(points, POSES[face]), layers[number]];
        if (expected.points !== undefined) {
          if (placed === null || !("mesh" in placed)) throw new Error("it has no mesh");
          expect(Math.max(...distances(placed.points, expected.points))).toBeLessThan(1e-3);
          expect(trianglesOf(placed.mesh.triangles)).toEqual(trianglesOf(expected.triangles ?? []));
        } else if (expected.matrix === null || expected.matrix === undefined) {
          expect(placed).toBeNull();
        } else {
          if (placed === null || !("matrix" in placed)) throw new Error("it has no matrix");
          const [corners, others] = [placed.matrix, expected.matrix].map((matrix) =>
            cornersOf(matrix, width, height),
          );
          expect(Math.max(...distances(corners, others))).toBeLessThan(1e-3);
        }
      });
    },
  );
});

test.each(FILTERS.meshes)("make-up $layer on face $face has Python's pixels", (expected) => {
  const file = FILTERS.packs.find(({ pack }) => pack.name === "party") as PackFile;
  const { layer, warp, picture: pixels } = filterOf(file).layers[expected.layer];
  const placed = warp(FILTERS.points[expected.face], POSES[expected.face]);
  if (placed === null || !("mesh" in placed)) throw new Error("it has no mesh");
  const texture = new Texture(pixels, layer.opacity);
  const patch = rasterMesh(texture, placed.mesh, placed.points, 600, 600);
  const [left, top, right, bottom] = expected.box;
  expect(patch).toMatchObject({ left, top });
  expect(patch?.pixels).toMatchObject({ width: right - left, height: bottom - top });
  // Not at the rims of triangles.
  expect(unlikeShare(patch!.pixels, picture(expected.picture))).toBeLessThan(0.01);
});

/** The share of pixels unlike all those of the other picture that are a pixel away, or none. */
function unlikeShare(one: Pixels, { data, width, height }: Pixels): number {
  const isLike = (from: number, x: number, y: number): boolean => {
    if (x < 0 || y < 0 || x >= width || y >= height) return false;
    const at = 4 * (y * width + x);
    return [0, 1, 2, 3].every((c) => Math.abs(one.data[from + c] - data[at + c]) <= 8);
  };
  let unlike = 0;
  for (let pixel = 0; pixel < width * height; pixel++) {
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    const near = [-1, 0, 1].some((v) => [-1, 0, 1].some((u) => isLike(4 * pixel, x + u, y + v)));
    unlike += Number(!near);
  }
  return unlike / (width * height);
}

test("pictures are drawn from levels that are those of Python", () => {
  const nose = picture(FILTERS.packs.find(({ pack }) => pack.name === "cat")!.pictures["nose.png"]);
  const { levels } = new Texture(nose, 0.7);
  expect(levels.length).toBe(FILTERS.levels.length);
  levels.forEach(({ pixels, across, left, down, top }, number) => {
    const expected = FILTERS.levels[number];
    expect(difference(pixels.data, bytes(expected.picture.file))).toBeLessThanOrEqual(1);
    expect(difference([across, 0, left, 0, down, top], expected.matrix)).toBeLessThan(1e-6);
  });
});

const LAYER = {
  image: "a.png",
  anchors: [
    { points: [36], at: [0, 0] },
    { points: [45], at: [9, 0] },
  ],
};
const PACK = { version: 1, name: "own", title: "Own", layers: [LAYER] };

test.each<[string, object, string]>([
  ["version", { ...PACK, version: 2 }, "version is 2, but this fkd reads 1"],
  ["no layers", { ...PACK, layers: [] }, "layers is empty; a filter draws one picture or more"],
  ["unknown field", { ...PACK, colour: 1 }, "filter.colour is not a field"],
  ["no title", { ...PACK, title: " " }, "filter.title is empty"],
  ["warp", layered({ warp: "affine" }), "anchors has 2, but the warp 'affine' needs 3 or more"],
  ["opacity", layered({ opacity: 0 }), "opacity is 0; it must be above 0 and at most 1"],
  [
    "depth",
    layered({ warp: "similarity", depth: 1 }),
    "depth, turn and round are for the warp 'head'",
  ],
  [
    "point",
    layered({ anchors: [{ points: [68], at: [0, 0] }] }),
    "points names point 68, but ibug68 has 0 to 67",
  ],
  [
    "blend",
    layered({ blend: "add" }),
    "blend is 'add', which does not fit 'normal' or 'multiply' or 'screen'",
  ],
])("a pack with another %s is refused", (_, pack, message) => {
  expect(() => parsePack(pack, "own/filter.json")).toThrow(/^own\/filter\.json: [^\n]+$/);
  expect(() => parsePack(pack, "own/filter.json")).toThrow(message);
});

test("anchors that lie in one place of a face are refused", () => {
  const pack = parsePack(
    layered({ anchors: [36, 36].map((p, i) => ({ points: [p], at: [9 * i, 0] })) }),
    "own",
  );
  const pictures = new Map<string, Pixels>([
    ["a.png", { data: new Uint8Array(400), width: 10, height: 10, channels: 4 }],
  ]);
  expect(() => Filter.of(pack, pictures, "own")).toThrow("the anchors of 'a.png' lie in one place");
});

function layered(changes: object): object {
  return { ...PACK, layers: [{ ...LAYER, ...changes }] };
}

/** Where a matrix leads the corners of a picture. */
function cornersOf([a, b, x, c, d, y]: readonly number[], width: number, height: number): Points {
  return [
    [0, 0],
    [width, 0],
    [0, height],
    [width, height],
  ].map(([u, v]): Point => [a * u + b * v + x, c * u + d * v + y]);
}

/** Triangles in an order of their own. */
function trianglesOf(triangles: readonly (readonly number[])[]): string[] {
  return triangles.map((corners) => [...corners].sort((a, b) => a - b).join(" ")).sort();
}
