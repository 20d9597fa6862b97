// Runs an ONNX file in onnxruntime-web: node onnxruntime_web.mjs PACKAGE MODEL FOLDER THREADS.
// exchange.py describes the files in FOLDER, fkd_infer/tuning/interleaved.py the timed calls.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const WARM_UP_CALLS = 5;

const [packageFolder, model, folder, threads] = process.argv.slice(2);
const ort = createRequire(join(packageFolder, "package.json"))("onnxruntime-web");
ort.env.wasm.numThreads = Number(threads);

function readInputs() {
  const table = JSON.parse(readFileSync(join(folder, "inputs.json"), "utf8"));
  return table.map(({ shape, dtype }, number) => {
    const bytes = new Uint8Array(readFileSync(join(folder, `input-${number}.bin`)));
    const values = dtype === "float32" ? new Float32Array(bytes.buffer) : bytes;
    return new ort.Tensor(dtype, values, shape);
  });
}

function failure(error) {
  return { error: String(error.message ?? error).replace(/\s+/g, " ") };
}

async function tryRun(session, image, number) {
  try {
    const outputs = await session.run({ image });
    return {
      outputs: session.outputNames.map((name, index) => {
        const { data, dims } = outputs[name];
        const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
        writeFileSync(join(folder, `output-${number}-${index}.bin`), bytes);
        return { name, shape: dims };
      }),
    };
  } catch (error) {
    return failure(error);
  }
}

async function timeCalls(session, image, seconds) {
  for (let call = 0; call < WARM_UP_CALLS; call++) await session.run({ image });
  const times = [];
  const end = performance.now() + 1000 * seconds;
  do {
    const started = performance.now();
    await session.run({ image });
    times.push((performance.now() - started) / 1000);
  } while (performance.now() < end);
  return times;
}

const inputs = readInputs();
const results = [];
let session;
try {
  session = await ort.InferenceSession.create(new Uint8Array(readFileSync(model)), {
    executionProviders: ["wasm"],
  });
  for (const [number, image] of inputs.entries()) {
    results.push(await tryRun(session, image, number));
  }
} catch (error) {
  results.push(...inputs.map(() => failure(error)));
}
writeFileSync(join(folder, "results.json"), JSON.stringify(results));
if (session) {
  console.log("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await timeCalls(session, inputs[0], Number(line))));
  }
}
