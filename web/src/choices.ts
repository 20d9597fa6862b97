/**
 * Defaults and names that options take, as in `fkd_infer/choices.py` and
 * `fkd_infer/detection/registry.py`; a test compares the numbers.
 */

export type Border = "replicate" | "black";
export type Blend = "normal" | "multiply" | "screen";
export type FilterWhen = "always" | "mouth_open";
export type Smoothing = "off" | "low" | "medium" | "high";
export type DrawLayer = "contours" | "points" | "box";
export type ProviderName = "wasm" | "webgpu";
/** "auto" is WebGPU where it answers as WebAssembly does, and WebAssembly elsewhere. */
export type Provider = ProviderName | "auto";

export const PROVIDERS: readonly Provider[] = ["auto", "wasm", "webgpu"];
export const SMOOTHINGS: readonly Smoothing[] = ["off", "low", "medium", "high"];

/** Faces with a lower presence score are left out. */
export const MIN_PRESENCE = 0.5;
/** Longer side of a picture, in pixels, at which faces are searched. */
export const SEARCH_SIZES = { photos: 1280, videos: 640 } as const;
/** The detector's name in the `box_rules` of cards. */
export const DETECTOR = "fkd";
