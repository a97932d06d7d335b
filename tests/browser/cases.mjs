// The cases of the browser tests; each gets a way to open pages, and the options of its test.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** The screens of the console, by name. */
function screens(ids) {
  return {
    overview: "/console/",
    tenants: "/console/tenants",
    tenant: `/console/tenants/${ids.tenant}`,
    "tenant-resources": `/console/tenants/${ids.tenant}?tab=resources`,
    "tenant-quotas": `/console/tenants/${ids.tenant}?tab=quotas`,
    resources: "/console/resources",
    resource: `/console/resources/${ids.resource}`,
    "resource-failed": `/console/resources/${ids.failed}`,
    usage: `/console/usage?meter=${ids.meter}&span=last`,
    "usage-by-resource": `/console/usage?meter=${ids.meter}&span=last&group=subject&tenant=${ids.tenant}`,
    "usage-by-dimension": `/console/usage?meter=${ids.dimension_meter}&span=last&group=${ids.dimension}`,
    "usage-by-both": `/console/usage?meter=${ids.dimension_meter}&span=last&group=subject,${ids.dimension}`,
    quotas: "/console/quotas",
    quota: `/console/quotas/${ids.quota}`,
    "quota-hard": `/console/quotas/${ids.hard}`,
    reservations: "/console/reservations",
    bills: "/console/bills",
    bill: `/console/bills/${ids.bill}`,
    "credit-notes": "/console/credit-notes",
    "credit-note": `/console/credit-notes/${ids.note}`,
    exports: "/console/exports",
    export: `/console/exports/${ids.export}`,
    operations: "/console/operations",
    docs: "/docs#get_invoice",
  };
}

const TENANT_SCREENS = [
  "overview",
  "tenant",
  "resources",
  "resource",
  "usage",
  "quotas",
  "quota",
  "quota-hard",
  "reservations",
  "bills",
  "bill",
  "credit-notes",
  "credit-note",
];

async function explainAll(visitor) {
  const expanders = visitor.page.locator("button.expander");
  const count = Math.min(3, await expanders.count());
  for (let index = 0; index < count; index++) await expanders.nth(index).click();
  await visitor.settled();
}

/** Every screen: no error, nothing that axe finds, no scrolling sideways; and its picture. */
export async function every_screen(open, options) {
  const { language, theme, who, ids } = options;
  const visitor = await open({ language, theme });
  const name = (screen) => `${who}-${screen}-${language}-${theme}`;
  const places = screens(ids);
  await visitor.goto("/login");
  await visitor.looks(name("sign-in"));
  await visitor.signIn(options.users[who]);
  const wanted = who === "owner" ? TENANT_SCREENS : Object.keys(places);
  for (const screen of wanted) {
    await visitor.goto(places[screen]);
    if (screen === "bill") await explainAll(visitor);
    visitor.check((await visitor.page.locator(".error-box").count()) === 0, "shows an error");
    visitor.check((await visitor.page.locator("h1").count()) === 1, "has no single heading");
    await visitor.looks(name(screen));
  }
  await dialogs(visitor, name, who);
}

/** The overlays: palette, keys, an action's dialog, a quota's, a new export. */
async function dialogs(visitor, name, who) {
  const { page, options } = visitor;
  const overlay = async (screen, selector) => {
    await page.waitForSelector(selector);
    await visitor.looks(name(screen));
    await page.keyboard.press("Escape");
    await page.waitForSelector(selector, { state: "detached" });
  };
  await visitor.goto("/console/");
  await page.keyboard.press("Control+k");
  await page.waitForSelector("dialog.palette li");
  await overlay("palette", "dialog.palette[open]");
  await page.keyboard.press("?");
  await overlay("keys", "dialog[open]");
  if (who === "auditor") return;
  await visitor.goto(`/console/resources/${options.ids.resource}`);
  await page.locator(".actions .danger-quiet").last().click();
  await overlay("terminate", "dialog[open]");
  await visitor.goto("/console/quotas?new=1");
  await overlay("new-quota", "dialog[open]");
  await visitor.goto(`/console/quotas/${options.ids.quota}`);
  await page.locator(".actions button").first().click();
  await overlay("change-quota", "dialog[open]");
  await page.locator(".actions .danger-quiet").click();
  await overlay("remove-quota", "dialog[open]");
  if (who !== "root") return;
  await visitor.goto("/console/exports?new=1");
  await overlay("new-export", "dialog[open]");
}

/** The pictures of the README: what is seen without scrolling, in both languages. */
export async function pictures(open, options) {
  const shown = [
    ["overview", "/console/", "light"],
    ["bill", `/console/bills/${options.ids.bill}`, "light"],
    ["usage", "/console/usage?meter=api-calls&span=7d", "dark"],
    ["docs", "/docs#get_invoice", "light"],
  ];
  for (const language of ["en", "zh-CN"])
    for (const [screen, place, theme] of shown) {
      const visitor = await open({ language, theme });
      await visitor.signIn(options.users.root);
      await visitor.goto(place);
      if (screen === "bill") await explainAll(visitor);
      await visitor.picture(`${screen}-${language}`);
    }
}

/** Presses Tab until what has the focus is this. */
async function tabTo(visitor, selector, most = 200) {
  for (let count = 0; count < most; count++) {
    await visitor.page.keyboard.press("Tab");
    if (await visitor.page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
  }
  throw new Error(`Tab never comes to ${selector}`);
}

/** The keyboard alone: sign-in, a list, a detail, an action with its dialog, undone again. */
export async function keyboard_only(open, options) {
  const visitor = await open({ language: "en" });
  const { page } = visitor;
  const { email, password } = options.users.root;
  await visitor.goto("/login");
  await tabTo(visitor, "input[type=email]");
  await page.keyboard.type(email);
  await tabTo(visitor, "input[type=password]");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".frame");
  await visitor.settled();
  await tabTo(visitor, 'nav.rail a[href="/console/resources"]');
  await page.keyboard.press("Enter");
  await page.waitForSelector("td.head a");
  await visitor.settled();
  await page.keyboard.press("/");
  visitor.check(await page.evaluate(() => document.activeElement?.tagName === "SELECT"), "/ does not go to the filters");
  await visitor.goto("/console/resources?kind=broadband&state=active");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  const first = await page.evaluate(() => document.activeElement === document.querySelector("td.head a"));
  visitor.check(first, "j and k do not go through the rows");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".track");
  await visitor.settled();
  const button = (word) => `.actions button:has-text("${word}")`;
  await page.locator(button("Suspend")).focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open]");
  await tabTo(visitor, "dialog input");
  await page.keyboard.type("checked by keyboard");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog", { state: "detached" });
  await page.waitForSelector(button("Resume"));
  await page.getByText("checked by keyboard").waitFor();
  await page.locator(".toast .link").focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector(button("Suspend"));
  await page.keyboard.press("Control+k");
  await page.waitForSelector("dialog.palette");
  await page.keyboard.type("bills");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/console/bills");
}

/** What the explanation of a line of late usage says, step by step. */
export async function late_usage(open, options) {
  const visitor = await open({ language: "en" });
  await visitor.signIn(options.users.root);
  await visitor.goto(`/console/bills/${options.bill}`);
  await visitor.page.locator("tr:has(.badge.warning) button.expander").first().click();
  await visitor.settled();
  return visitor.page.locator(".working li").allInnerTexts();
}

/** The figures as the screens show them, for the test to hold against the API. */
export async function figures(open, options) {
  const visitor = await open({ language: "en" });
  const { page } = visitor;
  const texts = (selector) => page.locator(selector).allInnerTexts();
  await visitor.signIn(options.users.root);
  const tiles = await texts(".tile-value");
  await page.locator(".chart-table summary").first().click();
  const months = await texts(".chart-table[open] tbody tr");
  await visitor.goto(`/console/bills/${options.ids.bill}`);
  const sums = await texts(".sums dd");
  const lines = await page.locator("tbody tr:not(.explained) td:nth-child(5)").allInnerTexts();
  await page.locator("button.expander").first().click();
  await visitor.settled();
  const explained = await texts(".working-sum .working-result");
  await visitor.goto(`/console/exports/${options.ids.export}`);
  const totals = await texts(".sums dd");
  const digests = await page.locator(".id code[title]").evaluateAll((all) => all.map((each) => each.title));
  await visitor.goto(`/console/usage?meter=${options.ids.meter}&span=last&tenant=${options.ids.tenant}`);
  const usage = await texts(".total strong");
  await visitor.goto(`/console/quotas/${options.ids.quota}`);
  const quota = { sums: await texts(".sums dd"), share: await texts(".progress span"), alerts: await texts("tbody tr") };
  await visitor.goto(`/console/quotas/${options.ids.hard}`);
  const hard = await texts(".sums dd");
  const held = await texts("tbody td.head");
  await visitor.goto("/console/tenants");
  const tenants = (await texts("tbody td.head")).length;
  return { tiles, months, sums, lines, explained, totals, digests, usage, quota, hard, held, tenants };
}

/** A session that ended by itself: sign-in says so, and the page is the same afterwards. */
export async function expired_session(open, options) {
  const visitor = await open({ language: "en" });
  const { page } = visitor;
  visitor.expected.push("401");
  await visitor.signIn(options.users.root);
  await visitor.goto("/console/bills");
  await page.context().clearCookies();
  await page.waitForSelector("input[type=password]");
  visitor.check(await page.locator(".notice").isVisible(), "does not say that the session ended");
  await page.locator("input[type=email]").fill(options.users.root.email);
  await page.locator("input[type=password]").fill("wrong password");
  await page.locator("button[type=submit]").click();
  await page.waitForSelector(".error-box");
  const refused = await page.locator(".error-box").innerText();
  await page.locator("input[type=password]").fill(options.users.root.password);
  await page.locator("button[type=submit]").click();
  await page.waitForSelector(".frame");
  await page.waitForURL("**/console/bills");
  return { refused };
}

/** What the server refuses is shown with its reason, in the reader's language, and nothing is lost. */
export async function server_reasons(open, options) {
  const seen = {};
  for (const language of ["en", "zh-CN"]) {
    const visitor = await open({ language });
    const { page } = visitor;
    visitor.expected.push("404", "422", "409");
    await visitor.signIn(options.users.root);
    await visitor.goto(`/console/bills/${options.ids.bill.slice(0, -4)}0000`);
    const absent = await page.locator(".error-box").innerText();
    await visitor.goto(`/console/resources/${options.ids.waiting}`);
    await page.locator(".actions .primary").first().click();
    await page.locator('dialog input[type="datetime-local"]').fill("2020-01-01T00:00");
    await page.locator("dialog button[type=submit]").click();
    await page.waitForSelector("dialog .error-box");
    const refused = await page.locator("dialog .error-box").innerText();
    await visitor.accessible();
    await visitor.shot(`root-refused-${language}-light-1440`);
    seen[language] = { absent, refused };
  }
  return seen;
}

/** Usage by what events say: the group and a value are chosen, and stay when the page is read anew. */
export async function usage_by_dimension(open, options) {
  const { dimension_meter: meter, dimension } = options.ids;
  const seen = {};
  for (const language of ["en", "zh-CN"]) {
    const visitor = await open({ language });
    const { page } = visitor;
    const row = page.locator(".panel > div > .table-frame tbody tr");
    const rows = async (most = 1000) => {
      await row.first().waitFor();
      await page.waitForFunction((wanted) => document.querySelectorAll(".panel > div > .table-frame tbody tr").length <= wanted, most);
      return row.allInnerTexts();
    };
    const choose = (nth, value) => page.locator(".filter select").nth(nth).selectOption(value);
    await visitor.signIn(options.users.root);
    await visitor.goto(`/console/usage?meter=${meter}&span=last`);
    const ways = await page.locator(".filter select").nth(4).locator("option").evaluateAll((all) => all.map(({ value }) => value));
    const asked = page.waitForRequest((request) => request.url().includes("group_by="));
    await choose(4, dimension);
    const url = new URL((await asked).url());
    const grouped = await rows();
    const legend = await page.locator(".legend li").allInnerTexts();
    await choose(5, "[null]");
    const filtered = await rows(1);
    const place = page.url();
    await visitor.goto(new URL(place).pathname + new URL(place).search);
    const again = await rows();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.locator(".panel-head button").last().click(),
    ]);
    const csv = readFileSync(await download.path(), "utf8");
    await choose(1, "api-calls");
    const others = new URL(page.url()).search;
    seen[language] = { ways, asked: url.pathname + url.search, legend, grouped, filtered, again, csv, others };
  }
  return seen;
}

/** A quota: refused at its fields, set, found by filters, changed by what was seen alone, removed. */
export async function quota_is_kept(open, options) {
  const visitor = await open({ language: "en" });
  const { page } = visitor;
  const { tenant } = options.ids;
  const field = (name) => page.locator("dialog .field", { has: page.getByText(name, { exact: true }) });
  const submit = () => page.locator("dialog button[type=submit]").click();
  const alerts = () => page.locator(".panel", { hasText: "Alerts" }).locator("tbody tr").allInnerTexts();
  visitor.expected.push("422", "412");
  await visitor.signIn(options.users.root);
  await visitor.goto(`/console/quotas?tenant=${tenant}`);
  await page.locator(".actions .primary").click();
  await field("Meter").locator("select").selectOption("api-calls");
  const kinds = await field("Kind").locator("option").allInnerTexts();
  await field("Kind").locator("select").selectOption("hard");
  await field("Window").locator("select").selectOption("total");
  await field("Limit").locator("input").fill("0");
  await field("Thresholds").locator("input").fill("50, soon");
  await submit();
  await page.waitForSelector("dialog [aria-invalid]");
  const invalid = () => page.locator("dialog [aria-invalid]").evaluateAll((all) =>
    all.map((each) => document.getElementById(each.getAttribute("aria-describedby").split(" ")[0]).innerText));
  const first = await invalid();
  await field("Thresholds").locator("input").fill("50, 100");
  await submit();
  await page.waitForFunction(() => document.querySelectorAll("dialog [aria-invalid]").length === 1 && document.querySelector("dialog .error-box"));
  await visitor.settled();
  const second = await invalid();
  await visitor.accessible();
  await visitor.shot("root-quota-refused-en-light-1440");
  const listed = await page.locator("dialog .error-box li").count();
  await field("Limit").locator("input").fill("100000000");
  await submit();
  await page.waitForURL("**/console/quotas/quo_*");
  await visitor.settled();
  const id = new URL(page.url()).pathname.split("/").at(-1);
  const before = await alerts();
  // Somebody else changes it meanwhile.
  await page.locator(".actions button").first().click();
  await page.evaluate((path) => fetch(path, { method: "PATCH", body: '{"limit": "90000000"}', headers: { "If-Match": '"1"', "Content-Type": "application/json" } }), `/v1/quotas/${id}`);
  await field("Limit").locator("input").fill("1000");
  await submit();
  await page.waitForSelector("dialog .error-box");
  const stale = await page.locator("dialog .error-box").innerText();
  await page.reload();
  await visitor.settled();
  await page.locator(".actions button").first().click();
  const limit = await field("Limit").locator("input").inputValue();
  await field("Limit").locator("input").fill("1000");
  await submit();
  await page.waitForSelector("dialog", { state: "detached" });
  await page.waitForSelector(".title-row .badge");
  await visitor.settled();
  const after = await alerts();
  const badge = await page.locator(".title-row .badge").innerText();
  const heads = async (query) => {
    await visitor.goto(`/console/quotas?tenant=${tenant}${query}`);
    return page.locator("td.head a").evaluateAll((all) => all.map(({ pathname }) => pathname.split("/").at(-1)));
  };
  const found = [await heads("&kind=hard&meter=api-calls"), await heads("&kind=soft&meter=api-calls"), await heads("&meter=builds")];
  await visitor.goto(`/console/quotas/${id}`);
  await page.locator(".actions .danger-quiet").click();
  visitor.check(await page.locator("dialog button[type=submit]").isDisabled(), "removes without the name typed");
  await page.locator("dialog input").fill("API calls");
  await submit();
  await page.waitForURL("**/console/quotas");
  await visitor.settled();
  const left = await page.locator("td.head a").evaluateAll((all) => all.map(({ pathname }) => pathname.split("/").at(-1)));
  return { id, kinds, first, second, listed, before, stale, limit, after, badge, found, left };
}

/** What each role may do with quotas, soft and hard ones. */
export async function quota_roles(open, options) {
  const seen = {};
  for (const [name, user] of Object.entries(options.users)) {
    const visitor = await open({ language: "en" });
    const { page } = visitor;
    const actions = async (place) => {
      await visitor.goto(place);
      return page.locator(".actions button").allInnerTexts();
    };
    await visitor.signIn(user);
    seen[name] = {
      list: await actions("/console/quotas"),
      soft: await actions(`/console/quotas/${options.ids.quota}`),
      hard: await actions(`/console/quotas/${options.ids.hard}`),
    };
    if (name === "owner") {
      await visitor.goto("/console/quotas?new=1&meter=api-calls");
      seen.offered = await page.locator("dialog .field", { has: page.getByText("Kind", { exact: true }) }).locator("option").allInnerTexts();
    }
  }
  return seen;
}

/** What each role is offered in the menu. */
export async function menus(open, options) {
  const seen = {};
  for (const [name, user] of Object.entries(options.users)) {
    const visitor = await open({ language: "en" });
    await visitor.signIn(user);
    seen[name] = await visitor.page.locator("nav.rail li").allInnerTexts();
    await visitor.goto(`/console/resources/${options.ids.resource}`);
    seen[`${name} actions`] = await visitor.page.locator(".actions button").allInnerTexts();
  }
  return seen;
}

/** Long work: asked for in the console, watched to its end, its file downloaded. */
export async function export_is_made(open, options) {
  const visitor = await open({ language: "en" });
  const { page } = visitor;
  await visitor.signIn(options.users.root);
  await visitor.goto("/console/exports");
  await page.locator(".actions .primary").click();
  await page.locator("dialog select").first().selectOption("lines");
  await page.locator("dialog button[type=submit]").click();
  await page.waitForURL("**/console/exports/exp_*");
  await page.waitForSelector("a[download]");
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("a[download]").first().click()]);
  const digests = await page.locator(".id code[title]").evaluateAll((all) => all.map((each) => each.title));
  const digest = createHash("sha256").update(readFileSync(await download.path())).digest("hex");
  return { digest, digests };
}

/** The reader of the contract, without sign-in: search, anchors, both languages, curl. */
export async function reference(open, options) {
  const visitor = await open({ language: "en" });
  const { page } = visitor;
  visitor.expected.push("401");
  await visitor.goto("/docs");
  const all = await page.locator("article.operation").count();
  await page.locator("#search").fill("finalize");
  const found = await page.locator("article.operation").evaluateAll((articles) => articles.map(({ id }) => id));
  await page.locator("#search").fill("");
  const curls = {};
  for (const id of options.operations) {
    await visitor.goto("/docs");
    await visitor.goto(`/docs#${id}`);
    curls[id] = await page.locator(`#${id} pre`).first().innerText();
  }
  await page.locator(".picker select").first().selectOption("zh-CN");
  const title = await page.locator("h1").innerText();
  return { all, found, curls, title };
}
