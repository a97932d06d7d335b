// Makes the console's bundle. Called by make, in a tree that has node_modules:
//
//     node build.mjs --source DIR --contract openapi.json --out DIR
//
// DIR/tree of --out holds the packages (npm ci) and gets a copy of the sources, since those may be
// read-only. Written are, in this order:
//
//     bundle.blob      all bytes of all assets: identity, gzip and brotli, one after the other
//     bundle_index.c   const struct console_asset console_assets[], sorted by path
//     bundle.sizes     name and brotli size of each entry with all that it loads, for make check
import { createHash } from "node:crypto";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { spawnSync } from "node:child_process";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const { values: options } = parseArgs({
  options: { source: { type: "string" }, contract: { type: "string" }, out: { type: "string" } },
});
const source = resolve(options.source);
const contract = resolve(options.contract);
const out = resolve(options.out);
const tree = join(out, "tree");
const web = join(tree, "web");
const require = createRequire(join(tree, "package.json"));

// An entry of the bundle: the pages that it serves, all with the same document.
const ENTRIES = [
  { name: "console", title: "Business cloud center", pages: ["/console/", "/login"] },
  { name: "docs", title: "API reference", pages: ["/docs"] },
];
const CONTENT_TYPES = {
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  html: "text/html; charset=utf-8",
};
const WORTH_IT = 0.95; // an encoding that is not smaller than this share of the bytes is left out

function run(program, ...args) {
  const done = spawnSync(process.execPath, [join(tree, "node_modules", program), ...args], {
    cwd: tree,
    encoding: "utf8",
  });
  if (done.status !== 0) {
    process.stderr.write(`${done.stdout ?? ""}${done.stderr ?? ""}`);
    process.exit(1);
  }
}

function copySources() {
  rmSync(web, { recursive: true, force: true });
  cpSync(join(source, "web"), web, { recursive: true });
  cpSync(join(source, "tsconfig.json"), join(tree, "tsconfig.json"));
}

function bundle() {
  const result = require("esbuild").buildSync({
    absWorkingDir: tree,
    entryPoints: ENTRIES.map((entry) => join(web, `${entry.name}.tsx`)),
    outdir: join(out, "assets"),
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    target: ["es2022", "chrome123", "firefox120", "safari17.5"],
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    logLevel: "error",
  });
  return result.outputFiles.map((file) => ({
    name: basename(file.path),
    bytes: Buffer.from(file.contents),
  }));
}

function digest(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

function hashed(name, bytes) {
  const [stem, extension] = name.split(".");
  return `/a/${stem}-${digest(bytes).slice(0, 12)}.${extension}`;
}

function html({ name, title }, paths) {
  return Buffer.from(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="${paths.get("icon.svg")}">
<link rel="stylesheet" href="${paths.get(`${name}.css`)}">
<script type="module" src="${paths.get(`${name}.js`)}"></script>
<body></body>
</html>
`);
}

function encodings(bytes) {
  const gzip = gzipSync(bytes, { level: 9 });
  const brotli = brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
  const worthIt = (encoded) => (encoded.length < bytes.length * WORTH_IT ? encoded : null);
  return { identity: bytes, gzip: worthIt(gzip), brotli: worthIt(brotli) };
}

function assets() {
  const files = [
    ...bundle(),
    { name: "icon.svg", bytes: readFileSync(join(web, "icon.svg")) },
  ];
  const paths = new Map(files.map(({ name, bytes }) => [name, hashed(name, bytes)]));
  return [
    ...files.map(({ name, bytes }) => ({ path: paths.get(name), name, bytes, immutable: true })),
    ...ENTRIES.flatMap((entry) =>
      entry.pages.map((path) => ({
        path,
        name: `${entry.name}.html`,
        bytes: html(entry, paths),
        immutable: false,
      })),
    ),
  ]
    .map((asset) => ({ ...asset, ...encodings(asset.bytes) }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function write(all) {
  const parts = [];
  let offset = 0;
  const place = (bytes) => {
    if (bytes === null) return "{0, 0}";
    const at = offset;
    parts.push(bytes);
    offset += bytes.length;
    return `{${at}, ${bytes.length}}`;
  };
  const rows = all.map((asset) => {
    const type = CONTENT_TYPES[asset.name.split(".").pop()];
    const tag = digest(asset.bytes).slice(0, 32);
    return (
      `    {"${asset.path}", "${type}", "\\"${tag}\\"", ${asset.immutable},\n     ` +
      ["identity", "gzip", "brotli"].map((encoding) => place(asset[encoding])).join(", ") +
      "},\n"
    );
  });
  writeFileSync(join(out, "bundle.blob"), Buffer.concat(parts));
  writeFileSync(
    join(out, "bundle_index.c"),
    `/* Made by build.mjs; what bundle.blob holds. */\n#include "daemon/console/console.h"\n\n` +
      `const struct console_asset console_assets[] = {\n${rows.join("")}};\n` +
      `const size_t console_assets_count = ${all.length};\n`,
  );
  writeFileSync(join(out, "bundle.sizes"), sizes(all));
}

function sizes(all) {
  return ENTRIES.map(({ name }) => {
    const loaded = all.filter(
      (asset, index) =>
        asset.name.split(".")[0] === name &&
        all.findIndex((other) => other.name === asset.name) === index,
    );
    const size = loaded.reduce((sum, { brotli, identity }) => sum + (brotli ?? identity).length, 0);
    return `${name} ${size}\n`;
  }).join("");
}

copySources();
run("openapi-typescript/bin/cli.js", contract, "--output", join(web, "data", "contract.d.ts"));
run("typescript/bin/tsc", "--project", "tsconfig.json");
write(assets());
