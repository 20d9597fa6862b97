/** fkd-web: the whole call in its worker; its stages in this thread, which sees between them. */

import detectorAddress from "../../models/fkd-detector-int8.onnx?url";
import modelAddress from "../../models/fkdnet.onnx?url";
import { load as loadPipeline, type LoadedPipeline } from "../src";
import { SEARCH_SIZES } from "../src/choices";
import { PixelReader } from "../src/media/pixel-reader";
import { Pipeline, type ModelFile } from "../src/pipeline";
import { loadOnnxRuntime } from "../src/runtime/install";
import { offer, timed } from "./contender";

let pipeline: LoadedPipeline;
let direct: Pipeline;
let networkMs = 0;

async function bytes(address: string): Promise<ModelFile> {
  return { data: new Uint8Array(await (await fetch(address)).arrayBuffer()), name: address };
}

offer({
  async load() {
    const provider = "wasm";
    pipeline = await loadPipeline({ model: modelAddress, detector: detectorAddress, provider });
    const [model, detector] = [await bytes(modelAddress), await bytes(detectorAddress)];
    direct = await Pipeline.open(await loadOnnxRuntime(provider), model, detector, { provider });
    const run = direct.session.run.bind(direct.session);
    direct.session.run = async (...crops) => {
      const [predictions, ms] = await timed(() => run(...crops));
      networkMs += ms;
      return predictions;
    };
  },
  async find(frame) {
    const faces = await pipeline(frame);
    return faces.map((face) => face.points.map(([x, y]) => [x, y]));
  },
  async stages(frame) {
    const [pixels, read] = await timed(async () =>
      new PixelReader().read(await createImageBitmap(frame)),
    );
    const [boxes, detector] = await timed(() =>
      direct.detector.search(pixels, SEARCH_SIZES.photos),
    );
    networkMs = 0;
    const [, placing] = await timed(() => direct.placePoints(pixels, boxes));
    return { pixels: read, detector, crops: placing - networkMs, network: networkMs };
  },
});
