/** @vladmandic/face-api, which the host has at face-api/, on TensorFlow.js's WebAssembly. */

import { offer, timed, type FacePoints } from "./contender";

interface Detection {
  readonly landmarks: { readonly positions: readonly { readonly x: number; readonly y: number }[] };
}

interface Task extends PromiseLike<unknown> {
  withFaceLandmarks(tiny: boolean): PromiseLike<Detection[]>;
}

/** The part of its interface that is used here. */
interface FaceApi {
  readonly tf: {
    setWasmPaths(folder: string): void;
    setBackend(name: string): Promise<boolean>;
    getBackend(): string;
    ready(): Promise<void>;
  };
  readonly nets: Record<string, { loadFromUri(folder: string): Promise<void> }>;
  readonly SsdMobilenetv1Options: new () => object;
  readonly TinyFaceDetectorOptions: new () => object;
  detectAllFaces(frame: HTMLCanvasElement, options: object): Task;
}

/** Its default networks, and its smallest ones, by the names of its networks. */
const VARIANTS: Record<string, readonly [detector: string, landmarks: string]> = {
  default: ["ssdMobilenetv1", "faceLandmark68Net"],
  tiny: ["tinyFaceDetector", "faceLandmark68TinyNet"],
};
const PLACE = "./face-api/node_modules";

let api: FaceApi;
let options: object;
let tiny = false;

offer({
  async load(variant) {
    const script = new URL(`${PLACE}/@vladmandic/face-api/dist/face-api.esm.js`, location.href);
    api = (await import(/* @vite-ignore */ script.href)) as FaceApi;
    api.tf.setWasmPaths(`${PLACE}/@tensorflow/tfjs-backend-wasm/dist/`);
    await api.tf.setBackend("wasm");
    await api.tf.ready();
    if (api.tf.getBackend() !== "wasm") throw new Error(`it runs on ${api.tf.getBackend()}`);
    for (const network of VARIANTS[variant]) {
      await api.nets[network].loadFromUri(`${PLACE}/@vladmandic/face-api/model`);
    }
    tiny = variant === "tiny";
    options = tiny ? new api.TinyFaceDetectorOptions() : new api.SsdMobilenetv1Options();
  },
  async find(frame) {
    const found = await api.detectAllFaces(frame, options).withFaceLandmarks(tiny);
    return found.map(({ landmarks }): FacePoints => landmarks.positions.map(({ x, y }) => [x, y]));
  },
  async stages(frame) {
    const [, detector] = await timed(async () => api.detectAllFaces(frame, options));
    return { detector };
  },
});
