/** Loads ONNX Runtime in a browser, and the WebAssembly that its provider needs. */

import plainModule from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import plainBinary from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import webgpuModule from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url";
import webgpuBinary from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";
import type { Provider } from "../choices";
import type { Installation } from "./start";
import { webgpuProblem, type Gpu } from "./webgpu";

/** Threads beyond this number make networks of this size slower. */
const MAX_THREADS = 4;

/** Threads of WebAssembly: they need a page that is isolated from other origins. */
export function wasmThreads(): number {
  return crossOriginIsolated ? Math.min(MAX_THREADS, navigator.hardwareConcurrency) : 1;
}

/**
 * Loads ONNX Runtime; its build with WebGPU, which is twice as large, only where it can be used.
 */
export async function loadOnnxRuntime(provider: Provider): Promise<Installation> {
  const { gpu } = navigator as { gpu?: Gpu };
  const noWebgpu = provider === "wasm" ? "it was not asked for" : await webgpuProblem(gpu);
  const plain = noWebgpu !== null;
  const ort = await (plain ? import("onnxruntime-web/wasm") : import("onnxruntime-web/webgpu"));
  ort.env.wasm.wasmPaths = plain
    ? { mjs: address(plainModule), wasm: address(plainBinary) }
    : { mjs: address(webgpuModule), wasm: address(webgpuBinary) };
  ort.env.wasm.numThreads = wasmThreads();
  return { ort, noWebgpu };
}

function address(url: string): string {
  return new URL(url, import.meta.url).href;
}
