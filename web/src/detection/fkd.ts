/** The detector of fkd-export. */

import { DETECTOR, SEARCH_SIZES, type Provider } from "../choices";
import { DetectorError, InferenceError, InvalidModelError } from "../errors";
import type { Pixels } from "../geometry/arrays";
import { hasArea } from "../geometry/boxes";
import type { BoxRule } from "../geometry/rules";
import { IBUG68 } from "../landmarks/schemes";
import { detectorCard, type DetectorCard } from "../models/cards/detector";
import type { ModelCard } from "../models/cards/landmark";
import { readMetadata } from "../models/onnx-file";
import { detectorProof, floats } from "../runtime/proof";
import {
  run,
  startSession,
  type Installation,
  type OnnxRuntime,
  type Started,
} from "../runtime/start";
import { selectDetections, type Box, type Detections } from "../types";
import { extractView, merge, planFactors, toPicture } from "./tiling";

/** Score from which a box is rather a face than not, where a presence score checks it. */
export const CHECKED_THRESHOLD = 0.5;
const OUTPUTS = "boxes,scores,points";

/**
 * The rule from the detector's boxes to a network's points: that of the network's card, or else the
 * detector's own, which leads to the 68 iBUG points.
 */
export function boxRuleFor(card: ModelCard, detector: DetectorCard): BoxRule {
  const rule = card.box_rules[DETECTOR];
  if (rule === undefined && card.scheme.name !== IBUG68.name) {
    const problem = `${card.name} has points of its own, and its card has no rule for these boxes`;
    throw new DetectorError(
      DETECTOR,
      problem,
      "export it with --data DIR or --boxes fkd=SCALE,RIGHT,DOWN",
    );
  }
  return rule ?? detector.box_rule;
}

/** Finds faces in pictures. */
export class FkdDetector {
  private constructor(
    private readonly ort: OnnxRuntime,
    readonly card: DetectorCard,
    readonly started: Started,
    readonly rule: BoxRule,
    readonly threshold: number,
  ) {}

  /** Opens a detector for a landmark network; `checked` says that a presence score sees boxes. */
  static async open(
    installation: Installation,
    model: Uint8Array,
    where: string,
    provider: Provider,
    landmarks: ModelCard,
    checked: boolean,
  ): Promise<FkdDetector> {
    const card = detectorCard(readMetadata(model, where), where);
    const rule = boxRuleFor(landmarks, card);
    const started = await startSession(installation, model, where, provider, detectorProof());
    const { outputNames } = started.session;
    if (outputNames.join() !== OUTPUTS) {
      throw new InvalidModelError(where, `its outputs are ${outputNames}, not ${OUTPUTS}`);
    }
    const threshold = checked ? Math.min(CHECKED_THRESHOLD, card.threshold) : card.threshold;
    return new FkdDetector(installation.ort, card, started, rule, threshold);
  }

  /** The faces of a picture, best first; its longer side is searched at `maxSize` pixels. */
  async search(image: Pixels, maxSize: number = SEARCH_SIZES.photos): Promise<Detections> {
    const parts: Detections[] = [];
    for (const factor of planFactors(image.width, image.height, maxSize, this.card.largest)) {
      const view = extractView(image, factor);
      const found = await this.detect(view.pixels);
      const sure = found.scores.flatMap((score, row) => (score >= this.threshold ? [row] : []));
      parts.push(selectDetections(toPicture(found, view), sure));
    }
    return parts.length === 1 ? parts[0] : merge(parts);
  }

  release(): Promise<void> {
    return this.started.session.release();
  }

  /** The faces of a BGR picture at its own size, best first, whatever their scores. */
  private async detect({ data, width, height, channels }: Pixels): Promise<Detections> {
    const image = new Uint8Array(data.buffer, data.byteOffset, data.length);
    const dims = [height, width, channels];
    const outputs = await run(this.ort, this.started.session, image, dims, this.card.name);
    const [corners, scores] = [floats(outputs["boxes"]), floats(outputs["scores"])];
    if (![...corners, ...scores].every(Number.isFinite)) {
      throw InferenceError.notFinite(this.card.name);
    }
    const boxes = Array.from(scores, (_, row): Box => {
      const [left, top, right, bottom] = corners.subarray(4 * row, 4 * row + 4);
      return [left, top, right, bottom];
    });
    const rows = boxes.flatMap((box, row) => (hasArea(box) ? [row] : []));
    return selectDetections({ boxes, scores: Array.from(scores) }, rows);
  }
}
