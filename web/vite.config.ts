import { defineConfig } from "vitest/config";

export default defineConfig({
  root: "page",
  base: "./", // for any folder of any host
  assetsInclude: ["**/*.onnx"],
  build: { assetsInlineLimit: 0, outDir: "../../dist/web", emptyOutDir: true, target: "es2022" },
  worker: { format: "es" },
  server: { fs: { allow: ["../.."] } },
  test: { root: ".", include: ["test/**/*.test.ts"], testTimeout: 60_000, maxWorkers: 1 },
});
