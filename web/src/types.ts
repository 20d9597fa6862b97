/** The data that passes through the pipeline, as in `fkd_infer/types.py`. */

/** (x, y) in pixels; pixel centres are at whole numbers. */
export type Point = readonly [x: number, y: number];
export type Points = readonly Point[];
/** Left, top, right, bottom, in pixels. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

/** A face; points, box and spread are in pixels of the picture. */
export interface Face {
  /** In the order of the card's landmark scheme. */
  readonly points: Points;
  /** As the detector draws it. */
  readonly box: Box;
  /** The detector's confidence, from 0 to 1. */
  readonly score: number;
  /** The landmark network's confidence that it saw a face; null if it has no score. */
  readonly presence: number | null;
  /** The error that the network expects of each point; null if it does not estimate it. */
  readonly spread: readonly number[] | null;
  /** Identifies the face in a video; null in photos. */
  readonly id: number | null;
}

/** The result of a detector: boxes and their scores, best first. */
export interface Detections {
  readonly boxes: readonly Box[];
  readonly scores: readonly number[];
}

/** Detections of these rows. */
export function selectDetections(detections: Detections, rows: readonly number[]): Detections {
  return {
    boxes: rows.map((row) => detections.boxes[row]),
    scores: rows.map((row) => detections.scores[row]),
  };
}
