/** Builds a page of the library alone, without what the site of `web/page/` adds. */

import { defineConfig } from "vite";

export default defineConfig({
  root: "test/browser",
  base: "./",
  assetsInclude: ["**/*.onnx"],
  build: { target: "es2022", assetsInlineLimit: 0 },
  worker: { format: "es" },
});
