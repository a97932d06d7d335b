// Drives Chromium through one case and prints, as JSON, what was seen:
//
//     node drive.mjs CASE  <options.json
//
// {"problems": [...], "seen": {...}}; a case without problems has passed. The cases are in
// cases.mjs; what they stand on is here.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import * as cases from "./cases.mjs";

const require = createRequire(import.meta.url);
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const WAIT = 60000; // milliseconds; a daemon with sanitizers is slow
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const WIDE = { width: 1440, height: 900 };
const NARROWEST = 320; // pixels
const SIZES = [WIDE, { width: 360, height: 740 }, { width: NARROWEST, height: 640 }];
const REDRAWN = 150; // milliseconds, until charts are drawn for another size

/** A page that notes whatever should not happen on it. */
export class Visitor {
  constructor(page, options, problems) {
    Object.assign(this, { page, options, problems });
    this.expected = []; // parts of console messages that a case provokes
    page.setDefaultTimeout(WAIT);
    page.on("pageerror", (error) => this.note(`script: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      const text = `${message.text()} ${message.location().url}`;
      if (!this.expected.some((part) => text.includes(part))) this.note(`console: ${text}`);
    });
  }

  note(problem) {
    this.problems.push(`${new URL(this.page.url() || "about:blank").pathname}: ${problem}`);
  }

  check(condition, problem) {
    if (!condition) this.note(problem);
  }

  async goto(path) {
    await this.page.goto(this.options.url + path);
    await this.settled();
  }

  /** Waits until nothing is on its way any more. */
  async settled() {
    await this.page.waitForLoadState("networkidle");
    await this.page.waitForFunction(
      () => !document.querySelector(".skeleton, .skeleton-space, .stale, [aria-busy=true]"),
    );
  }

  async signIn({ email, password }) {
    await this.goto("/login");
    await this.page.locator("input[type=email]").fill(email);
    await this.page.locator("input[type=password]").fill(password);
    await this.page.locator("button[type=submit]").click();
    await this.page.waitForSelector(".frame, .error-box");
    await this.settled();
  }

  /** What axe finds wrong. */
  async accessible() {
    await this.page.evaluate(AXE);
    const { violations } = await this.page.evaluate(
      (rules) => globalThis.axe.run(document, { runOnly: rules, resultTypes: ["violations"] }),
      RULES,
    );
    for (const { id, help, nodes } of violations)
      this.note(`axe ${id}: ${help}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(" | ")}`);
  }

  async fits() {
    const [wide, room, what] = await this.page.evaluate(() => {
      const room = document.documentElement.clientWidth;
      const beyond = [...document.querySelectorAll("body *")].find(
        (each) => each.getBoundingClientRect().right > room + 1 && !each.closest(".table-scroll, pre, .hidden, .rail, thead, .u-wrap"),
      );
      return [document.documentElement.scrollWidth, room, beyond?.outerHTML.slice(0, 160) ?? ""];
    });
    this.check(wide <= room, `scrolls sideways: ${wide} of ${room} px: ${what}`);
  }

  /** Wide, on a telephone, and on the narrowest: accessible, and nothing scrolls sideways. */
  async looks(name) {
    const { page } = this;
    for (const size of SIZES) {
      await page.setViewportSize(size);
      await page.waitForTimeout(REDRAWN);
      await this.fits();
      if (size.width === NARROWEST) continue;
      await this.accessible();
      await this.shot(`${name}-${size.width}`);
    }
    await page.setViewportSize(WIDE);
  }

  /** What is seen without scrolling. */
  async picture(name) {
    if (!this.options.screenshots) return;
    mkdirSync(this.options.screenshots, { recursive: true });
    await this.page.waitForTimeout(REDRAWN);
    await this.page.screenshot({ path: join(this.options.screenshots, `${name}.png`) });
  }

  /** The whole page, up to a limit. */
  async shot(name) {
    if (!this.options.screenshots) return;
    mkdirSync(this.options.screenshots, { recursive: true });
    const { width, height } = this.page.viewportSize();
    const tall = await this.page.evaluate(() => document.documentElement.scrollHeight);
    await this.page.setViewportSize({ width, height: Math.min(Math.max(height, tall), 2600) });
    await this.page.waitForTimeout(REDRAWN);
    await this.page.screenshot({ path: join(this.options.screenshots, `${name}.png`) });
    await this.page.setViewportSize({ width, height });
  }
}

async function main() {
  const options = JSON.parse(readFileSync(0, "utf8"));
  const problems = [];
  const browser = await chromium.launch({
    executablePath: options.chromium,
    args: ARGUMENTS,
    headless: true,
  });
  const open = async ({ language = "en", theme = "light" } = {}) => {
    const context = await browser.newContext({
      viewport: WIDE,
      locale: language,
      colorScheme: theme,
      reducedMotion: "reduce",
      ignoreHTTPSErrors: true,
    });
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) =>
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`),
      );
    });
    return new Visitor(await context.newPage(), options, problems);
  };
  let seen;
  try {
    seen = await cases[process.argv[2]](open, options);
  } catch (error) {
    problems.push(String(error.stack));
  }
  await browser.close();
  console.log(JSON.stringify({ problems, seen: seen ?? {} }));
}

await main();
