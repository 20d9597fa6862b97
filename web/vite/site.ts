/**
 * Plugins of Vite that make the built page a site of its own: the networks under fixed names, the
 * headers, and the list of files that the service worker stores.
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import type { Plugin } from "vite";
import { CONTENT_SECURITY_POLICY, HEADERS } from "./policy.ts";

/** The networks' addresses in the page, and their files. */
const MODELS = {
  "models/landmarks.onnx": "fkdnet.onnx",
  "models/detector.onnx": "fkd-detector-int8.onnx",
};
const FOLDER = resolve(import.meta.dirname, "../../models");
/** Written last: it lists the others. */
const LIST = "precache.js";
/** Stored once they were used: ONNX Runtime's larger build, which only WebGPU needs. */
const LATER = /\.asyncify-[\w-]+\.(wasm|mjs)$|\/ort\.webgpu\./;
/** Read by hosts, not by browsers. */
const FOR_HOSTS = ["_headers"];

/** Puts the policy into index.html; the server of `npm run dev` needs styles in the page. */
export function policy(): Plugin {
  let building = false;
  return {
    name: "fkd-policy",
    configResolved: ({ command }) => void (building = command === "build"),
    transformIndexHtml: (html) =>
      building
        ? html.replace("%CSP%", CONTENT_SECURITY_POLICY)
        : html.replace(/<meta http-equiv="Content-Security-Policy".*\n/, ""),
  };
}

/** Adds the networks. */
export function models(): Plugin {
  return {
    name: "fkd-models",
    configureServer({ middlewares }) {
      for (const [address, file] of Object.entries(MODELS)) {
        middlewares.use(`/${address}`, (_, response) =>
          response.end(readFileSync(join(FOLDER, file))),
        );
      }
    },
    generateBundle() {
      for (const [fileName, file] of Object.entries(MODELS)) {
        this.emitFile({ type: "asset", fileName, source: readFileSync(join(FOLDER, file)) });
      }
    },
  };
}

/**
 * Writes `_headers`, which some hosts read, and `precache.js`. `fkd_infer/web/page.py` rewrites the
 * latter for a network of one's own.
 */
export function lists(): Plugin {
  let folder = "";
  return {
    name: "fkd-lists",
    apply: "build",
    configResolved: ({ root, build }) => void (folder = resolve(root, build.outDir)),
    closeBundle() {
      const lines = Object.entries(HEADERS).map(([name, value]) => `  ${name}: ${value}\n`);
      writeFileSync(join(folder, "_headers"), `/*\n${lines.join("")}`);
      const digests: Record<string, string> = {};
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        const file = join(entry.parentPath, entry.name);
        const path = relative(folder, file).split(sep).join("/");
        if (entry.isFile() && path !== LIST && !FOR_HOSTS.includes(path)) {
          digests[path] = createHash("sha256").update(readFileSync(file)).digest("hex");
        }
      }
      const files = Object.fromEntries(Object.entries(digests).sort());
      const later = Object.keys(files).filter((path) => LATER.test(path));
      writeFileSync(
        join(folder, LIST),
        `self.PRECACHE = ${JSON.stringify({ files, later }, null, 1)};\n`,
      );
    },
  };
}
