// Finds faces in Node: node faces.mjs faces.onnx photo.ppm. The functions work in browsers too.
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

/** Opens the bytes of faces.onnx; in a browser also its address. */
export function open(model) {
  return ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
}

/** The faces of an image of red, green, blue and alpha, as a canvas's getImageData returns it. */
export async function findFaces(session, { data, width, height }) {
  const pixels = new Uint8Array(width * height * 3); // blue, green, red
  for (let pixel = 0; pixel < width * height; pixel++) {
    pixels[3 * pixel] = data[4 * pixel + 2];
    pixels[3 * pixel + 1] = data[4 * pixel + 1];
    pixels[3 * pixel + 2] = data[4 * pixel];
  }
  const image = new ort.Tensor("uint8", pixels, [height, width, 3]);
  const { scores, points } = await session.run({ image });
  const [, count] = points.dims;
  return Array.from(scores.data, (score, face) => ({
    score,
    points: points.data.subarray(2 * count * face, 2 * count * (face + 1)), // x, y, x, y, …
  }));
}

/** A binary PPM file as RGBA: Node has no decoder of JPEGs, and this format needs none. */
function readPpm(path) {
  const bytes = readFileSync(path);
  const head = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.subarray(0, 64).toString("latin1"));
  if (!head) throw new Error(`${path}: no binary PPM`);
  const [width, height] = [Number(head[1]), Number(head[2])];
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let pixel = 0; pixel < width * height; pixel++)
    data.set(bytes.subarray(head[0].length + 3 * pixel, head[0].length + 3 * pixel + 3), 4 * pixel);
  return { data, width, height };
}

const [model, photo] = process.argv.slice(2);
const session = await open(new Uint8Array(readFileSync(model)));
for (const { score, points } of await findFaces(session, readPpm(photo)))
  console.log(score.toFixed(2), points[60].toFixed(1), points[61].toFixed(1)); // the tip of the nose
