/** A landmark network in a session of ONNX Runtime. */

import type { Provider } from "../choices";
import { InferenceError, InvalidModelError } from "../errors";
import { modelCard, outputNames, type ModelCard } from "../models/cards/landmark";
import { readMetadata } from "../models/onnx-file";
import type { Points } from "../types";
import { floats, landmarkProof } from "./proof";
import { run, startSession, type Installation, type OnnxRuntime, type Started } from "./start";

/** The output for one crop, in its pixels; null for what the network does not have. */
export interface Prediction {
  readonly points: Points;
  readonly score: number | null;
  readonly spread: readonly number[] | null;
}

/** A network that places points on crops. */
export class LandmarkSession {
  private constructor(
    private readonly ort: OnnxRuntime,
    readonly card: ModelCard,
    readonly started: Started,
    private readonly fixedBatch: number | null,
  ) {}

  /** Opens a network; `where` names its file in errors. */
  static async open(
    installation: Installation,
    model: Uint8Array,
    where: string,
    provider: Provider,
  ): Promise<LandmarkSession> {
    const card = modelCard(readMetadata(model, where), where);
    const { size, channels, dtype } = card.input;
    if (dtype !== "uint8") {
      const problem = "it takes float planes, which other programs prepare";
      throw new InvalidModelError(where, problem, "export it without --no-border");
    }
    const proofOf = landmarkProof(size, channels, 1);
    const started = await startSession(installation, model, where, provider, proofOf);
    const { inputMetadata, outputNames: names } = started.session;
    const expected = outputNames(card.output);
    if (names.join() !== expected.join()) {
      throw new InvalidModelError(where, `its outputs are ${names}, its card says ${expected}`);
    }
    const [image] = inputMetadata;
    const batch = image.isTensor ? image.shape[0] : null;
    return new LandmarkSession(
      installation.ort,
      card,
      started,
      typeof batch === "number" ? batch : null,
    );
  }

  /** The network's outputs for `count` crops (count, size, size, channels). */
  async run(crops: Uint8Array, count: number): Promise<Prediction[]> {
    const predictions: Prediction[] = [];
    const step = this.fixedBatch ?? Math.max(count, 1);
    for (let first = 0; first < count; first += step) {
      predictions.push(...(await this.runBatch(crops, first, Math.min(step, count - first))));
    }
    return predictions;
  }

  release(): Promise<void> {
    return this.started.session.release();
  }

  private async runBatch(crops: Uint8Array, first: number, count: number): Promise<Prediction[]> {
    const { size, channels } = this.card.input;
    const length = size * size * channels;
    const rows = this.fixedBatch ?? count;
    const batch = new Uint8Array(rows * length);
    batch.set(crops.subarray(first * length, (first + count) * length));
    const dims = [rows, size, size, channels];
    const outputs = await run(this.ort, this.started.session, batch, dims, this.card.name);
    const points = floats(outputs["points"]);
    const scores = this.card.output.score ? floats(outputs["score"]) : null;
    const spreads = this.card.output.spread ? floats(outputs["spread"]) : null;
    for (const values of [points, scores, spreads]) {
      if (values?.some((value) => !Number.isFinite(value))) {
        throw InferenceError.notFinite(this.card.name);
      }
    }
    const { count: n } = this.card.scheme;
    return Array.from({ length: count }, (_, row) => ({
      points: Array.from({ length: n }, (_, point) => {
        const at = 2 * (row * n + point);
        return [points[at], points[at + 1]] as const;
      }),
      score: scores && scores[row],
      spread: spreads && Array.from(spreads.subarray(row * n, (row + 1) * n)),
    }));
  }
}
