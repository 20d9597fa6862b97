/** Rules that lead from one kind of square box to another. */

import type { Border } from "../choices";

/**
 * Leads from a detector's box to the tight square around the points: its side is `scale` times the
 * longer side of the box, its centre that of the box, moved by `shift` in units of that side.
 */
export interface BoxRule {
  readonly scale: number;
  readonly shift: readonly [right: number, down: number];
}

/** Leads from the points' box to the crop, in the same way; `border` fills what is outside. */
export interface CropRule extends BoxRule {
  readonly border: Border;
}

/** The rule of boxes that are tight around the points already. */
export const POINTS_BOX: BoxRule = { scale: 1, shift: [0, 0] };

/** The rule that leads back. */
export function inverseRule({ scale, shift: [right, down] }: BoxRule): BoxRule {
  return { scale: 1 / scale, shift: [-right / scale, -down / scale] };
}
