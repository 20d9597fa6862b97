/** Builds the pages in which `python -m benchmarks web` times contenders. */

import { defineConfig } from "vite";

export default defineConfig({
  root: "benchmark",
  base: "./",
  assetsInclude: ["**/*.onnx"],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    rollupOptions: { input: ["benchmark/fkd.html", "benchmark/face-api.html"] },
  },
  worker: { format: "es" },
});
