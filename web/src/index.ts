/** Facial keypoints in the browser, with the ONNX files of fkd-export. */

export { load } from "./load";
export type {
  LoadedPipeline,
  LoadOptions,
  ModelSource,
  Picture,
  SearchOptions,
  TrackingOptions,
  VideoTracker,
} from "./load";
export {
  DetectorError,
  DownloadError,
  FilterError,
  FkdError,
  InferenceError,
  InvalidImageError,
  InvalidModelError,
  ModelCardError,
  ProviderError,
  SettingsError,
  WrongTaskError,
} from "./errors";
export type { Blend, DrawLayer, Provider, ProviderName, Smoothing } from "./choices";
export type { LandmarkScheme } from "./landmarks/schemes";
export type { ModelCard } from "./models/cards/landmark";
export type { Box, Face, Point, Points } from "./types";
export { Annotator } from "./drawing/annotator";
export { loadFilter, type Filter } from "./filters/filter";
