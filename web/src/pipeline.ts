/** Composes detector, crop and landmark network: picture → faces, as `fkd_infer/pipeline.py`. */

import { MIN_PRESENCE, PROVIDERS, SEARCH_SIZES, type Provider } from "./choices";
import { FkdDetector } from "./detection/fkd";
import { SettingsError } from "./errors";
import { checkImage, type Pixels } from "./geometry/arrays";
import { derivedBox, pointsBox } from "./geometry/boxes";
import { cropBatch, cropMatrix } from "./geometry/crop";
import { POINTS_BOX } from "./geometry/rules";
import { invert, transform } from "./geometry/transforms";
import { LandmarkSession } from "./runtime/session";
import type { Installation } from "./runtime/start";
import type { Box, Detections, Face, Points } from "./types";

/** A model's bytes, and the name of its file for errors. */
export interface ModelFile {
  readonly data: Uint8Array;
  readonly name: string;
}

export interface PipelineOptions {
  /** What the networks run on; the default is "auto". */
  readonly provider?: Provider;
  /** Faces with a lower presence score, from 0 to 1, are left out; 0 keeps all. */
  readonly minPresence?: number;
  /** Whether to place points a second time, in the box of the first ones; the default is true. */
  readonly refine?: boolean;
}

/** Points on one face, in pixels of the picture. */
export interface Placement {
  readonly points: Points;
  readonly presence: number | null;
  readonly spread: readonly number[] | null;
}

/** Finds the faces of pictures and places points on each. */
export class Pipeline {
  constructor(
    readonly session: LandmarkSession,
    readonly detector: FkdDetector,
    readonly minPresence: number = MIN_PRESENCE,
    readonly refine: boolean = true,
  ) {}

  /** Opens both networks. */
  static async open(
    installation: Installation,
    model: ModelFile,
    detector: ModelFile,
    options: PipelineOptions = {},
  ): Promise<Pipeline> {
    const { provider = "auto", minPresence = MIN_PRESENCE, refine = true } = options;
    if (!PROVIDERS.includes(provider)) {
      throw new SettingsError("provider", `is '${provider}'; it must be ${PROVIDERS.join(", ")}`);
    }
    if (!(minPresence >= 0 && minPresence <= 1)) {
      throw new SettingsError("minPresence", `is ${minPresence}, but must be from 0 to 1`);
    }
    const session = await LandmarkSession.open(installation, model.data, model.name, provider);
    const finder = await FkdDetector.open(
      installation,
      detector.data,
      detector.name,
      provider,
      session.card,
      session.card.output.score && minPresence !== 0,
    );
    return new Pipeline(session, finder, minPresence, refine);
  }

  /** The faces of a picture, best first. */
  async findFaces(image: Pixels, maxSize: number = SEARCH_SIZES.photos): Promise<Face[]> {
    const detections = await this.detector.search(checkImage(image), checkMaxSize(maxSize));
    return this.placePoints(image, detections);
  }

  /** The faces of a detector's boxes: placed, and placed again in the box of the first points. */
  async placePoints(image: Pixels, { boxes, scores }: Detections): Promise<Face[]> {
    const tight = boxes.map((box) => derivedBox(box, this.detector.rule));
    const placed = await this.place(image, tight);
    let rows = placed.flatMap((placement, row) => (this.isPresent(placement) ? [row] : []));
    if (this.refine) {
      const again = await this.place(
        image,
        rows.map((row) => square(placed[row].points)),
      );
      rows.forEach((row, number) => (placed[row] = again[number]));
      rows = rows.filter((row) => this.isPresent(placed[row]));
    }
    return rows.map((row) => ({ ...placed[row], box: boxes[row], score: scores[row], id: null }));
  }

  /** Whether the network accepts a face; always if it has no score. */
  isPresent({ presence }: Placement): boolean {
    return presence === null || presence >= this.minPresence;
  }

  /** Points in boxes that are tight around the points: one call of the network. */
  async place(image: Pixels, boxes: readonly Box[]): Promise<Placement[]> {
    const { crop, input } = this.session.card;
    const { size, channels } = input;
    const matrices = boxes.map((box) => cropMatrix(box, crop, size));
    const crops = cropBatch(image, matrices, size, channels, crop.border);
    const predictions = await this.session.run(crops, matrices.length);
    return predictions.map(({ points, score, spread }, row) => {
      const scale = Math.fround(Math.hypot(matrices[row][0], matrices[row][3]));
      return {
        points: transform(points, invert(matrices[row])),
        presence: score,
        spread: spread && spread.map((value) => Math.fround(value / scale)),
      };
    });
  }

  async release(): Promise<void> {
    await this.session.release();
    await this.detector.release();
  }
}

/** A side in pixels, which throws SettingsError unless it is above 0. */
export function checkMaxSize(maxSize: number): number {
  if (maxSize > 0) return maxSize;
  throw new SettingsError("maxSize", `is ${maxSize}, but must be above 0`);
}

/** The tight square around points. */
export function square(points: Points): Box {
  return derivedBox(pointsBox(points), POINTS_BOX);
}
