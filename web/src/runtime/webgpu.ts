/** Whether WebGPU can be used here. */

/** The part of WebGPU that is asked. */
export interface Gpu {
  requestAdapter(): Promise<GpuAdapter | null>;
}

interface GpuAdapter {
  readonly info?: { readonly isFallbackAdapter?: boolean };
}

/** Why WebGPU cannot be used here, or null. */
export async function webgpuProblem(gpu: Gpu | undefined): Promise<string | null> {
  if (gpu === undefined) return "this browser has no WebGPU";
  let adapter: GpuAdapter | null;
  try {
    adapter = await gpu.requestAdapter();
  } catch {
    adapter = null; // what a browser throws says no more
  }
  if (adapter === null) return "WebGPU has no adapter here";
  return adapter.info?.isFallbackAdapter ? "WebGPU has only the CPU here" : null;
}
