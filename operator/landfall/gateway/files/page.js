// The web page: lists, a run in progress, its plan with decisions, and releases with rollback, from the routes of the gateway.
// All values are inserted as text, never as markup. The key stays in this tab and is sent only with requests to this gateway.

const KEY = "landfall-key";
const EVERY_MS = 2000;
const MOST_LINES = 500;
const main = document.getElementById("main");
let shown = { stop() {} };

class Problem extends Error {
  constructor(status, told) {
    super(told?.message ?? `the gateway returned status ${status}`);
    this.status = status;
    this.code = told?.code ?? "";
  }
}

const headers = (more = {}) => ({ Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}`, ...more });

async function ask(method, path, body) {
  const options = { method, headers: headers() };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  const told = await answer.json().catch(() => null);
  if (!answer.ok) throw new Problem(answer.status, told?.error);
  return told;
}

// -- the document -----------------------------------------------------------------------------------------------------

function el(tag, about = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) {
    if (name === "on") made.addEventListener(tag === "form" ? "submit" : "click", value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

// Replaces the children of an element; the keyboard focus moves to the child that replaces the focused one.
function fill(place, ...children) {
  const made = el("div", {}, ...children);
  if (made.innerHTML === place.innerHTML) return;
  const at = place.contains(document.activeElement) ? document.activeElement.id : "";
  place.replaceChildren(...made.childNodes);
  if (at) document.getElementById(at)?.focus();
}

const number = (value) => (value === null || value === undefined ? "" : Number(value).toLocaleString("en"));
const words = (value) => String(value ?? "").replaceAll("_", " ");
const stands = (status) => el("span", { class: `stands ${status}` }, words(status));
const moment = (text) => (text ? el("time", { datetime: text }, new Date(text).toLocaleString()) : "");

function lasting(seconds) {
  const whole = Math.round(seconds ?? 0);
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

function table(caption, columns, rows) {
  if (!rows.length) return el("p", { class: "soft" }, `${caption}: none`);
  const cell = (tag, [title, , kind], content) => el(tag, { class: kind, scope: tag === "th" ? "col" : null }, content ?? title);
  const head = el("tr", {}, columns.map((column) => cell("th", column)));
  const body = rows.map((row) => el("tr", {}, columns.map((column) => cell("td", column, column[1](row) ?? ""))));
  return el("table", {}, el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, body));
}

function announce(text) {
  const place = document.getElementById("said");
  place.textContent = text;
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => (place.textContent = ""), 6000);
}

// Asks for confirmation. Returns the values of its fields by name, or null.
function question(title, means, answer, choices = []) {
  const dialog = document.getElementById("question");
  document.getElementById("asked").textContent = title;
  document.getElementById("means").textContent = means;
  document.getElementById("answer").textContent = answer;
  const inputs = choices.map(([name, label, kind]) => {
    const input = el("input", { type: kind, id: `choice-${name}`, name });
    return [input, kind === "checkbox" ? el("label", {}, input, ` ${label}`) : el("label", {}, label, el("br"), input)];
  });
  document.getElementById("choices").replaceChildren(...inputs.map(([, label]) => label));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const told = Object.fromEntries(inputs.map(([input]) => [input.name, input.type === "checkbox" ? input.checked : input.value]));
      resolve(dialog.returnValue === "yes" ? told : null);
    }, { once: true });
  });
}

async function act(path, body, done) {
  try {
    await ask("POST", path, body);
    announce(done);
    shown.look?.();
  } catch (error) {
    if (!gone(error)) announce(error.message);
  }
}

// -- sections ---------------------------------------------------------------------------------------------------------

function migrations(place) {
  const list = el("div");
  place.append(el("h1", {}, "Migrations"), list);
  return async () => {
    const { data } = await ask("GET", "/v1/migrations?limit=100");
    const link = (one) => el("a", { href: `#/migrations/${encodeURIComponent(one.id)}` }, one.name ?? one.id);
    fill(list, table("Migrations of databases and apps, the newest first", [
      ["Name", link],
      ["Status", (one) => stands(one.status)],
      ["Done", (one) => (one.progress_percent === undefined ? "" : `${one.progress_percent} %`), "number"],
      ["Created", (one) => moment(one.created_at)],
    ], data));
  };
}

function migration(place, id) {
  const path = `/v1/migrations/${encodeURIComponent(id)}`;
  const [head, run, tables, plan] = [el("div"), el("div"), el("div"), el("div")];
  const log = el("pre", { class: "log", tabindex: "0", role: "log", "aria-label": "Log" });
  place.append(head, run, tables, plan, el("h2", {}, "Log"), log);
  let planned = "";
  const stop = followed(path, log);
  const look = async () => {
    const told = await ask("GET", path);
    if (told.data) return fill(head, ...app(told.data));
    fill(head, ...heading(told), controls(path, told));
    fill(run, ...working(told));
    const made = `${told.plan.digest} ${told.plan.status}`;
    if (told.plan.digest && made !== planned) {
      planned = made;
      await decided(path, plan);
    }
    const numbers = await ask("GET", `${path}/metrics`);
    fill(tables, numbers.by_table.length ? byTable(numbers.by_table) : "");
  };
  return Object.assign(look, { stop });
}

function heading(told) {
  return [
    el("h1", {}, told.name, " ", stands(told.status)),
    el("p", { class: "soft" }, `${told.source.connection_name} → ${told.target.connection_name}, schema ${told.target.schemas.join(", ")}`),
    told.error ? el("p", { class: "alert", role: "alert" }, `${told.error.code}: ${told.error.message}`) : el("p", {}, told.message),
  ];
}

// One button for each action that the gateway says it accepts now: its id, its title, its class, and what it does.
const CONTROLS = {
  start: ["start", "Start", "main", started],
  rehearse: ["rehearse", "Rehearse", "", (path) => act(`${path}/start`, { dry_run: true }, "the rehearsal starts; its tables will be dropped")],
  resume: ["resume", "Resume", "main", (path) => act(`${path}/resume`, undefined, "the migration continues")],
  pause: ["pause", "Pause", "", paused],
  cancel: ["cancel", "Cancel", "danger", cancelled],
  rollback: ["back", "Roll back", "danger", rollBackMigration],
};

function controls(path, told) {
  const made = Object.entries(CONTROLS).filter(([action]) => told.allowed_actions.includes(action));
  const button = ([, [id, title, kind, on]]) => el("button", { type: "button", id, class: kind, on: () => on(path, told) }, title);
  return el("div", { class: "actions", "data-plan": told.plan.status }, made.map(button));
}

async function started(path, told) {
  if (told.plan.status !== "approval_required") return act(`${path}/start`, {}, "the migration starts");
  const sure = await question("Run this plan as it is?", "Some review items need your approval. Decide them below, or run the plan with all mappings as proposed.", "Run it");
  if (sure) await act(`${path}/start`, { skip_approval: true }, "the migration starts");
}

async function paused(path) {
  const sure = await question("Pause it?", "The migration stops at its next checkpoint. Rows copied until then are kept.", "Pause", [["reason", "Why", "text"], ["immediate", "now, and abort the chunks in progress", "checkbox"]]);
  if (sure) await act(`${path}/pause`, sure, "the migration pauses");
}

async function cancelled(path) {
  const sure = await question("Cancel it?", "The staged tables are dropped. The target stays as it was before.", "Cancel the migration", [["reason", "Why", "text"]]);
  if (sure) await act(`${path}/cancel`, sure, "the migration is being cancelled");
}

async function rollBackMigration(path) {
  const sure = await question("Roll it back?", "The cutover is undone: the retained tables replace the new ones.", "Roll back", [["discard_writes", "even if rows were written to the new tables since", "checkbox"]]);
  if (sure) await act(`${path}/rollback`, sure, "the cutover is being undone");
}

function working(told) {
  const { progress, metrics, timing } = told;
  const phase = (one) => el("li", { "aria-current": one.status === "running" ? "step" : null }, { completed: "✓ ", failed: "✗ ", running: "▶ " }[one.status] ?? "", words(one.name),
    one.duration_seconds === null ? "" : el("span", { class: "soft" }, ` ${lasting(one.duration_seconds)}`));
  const left = timing.estimated_completion ? `, done about ${new Date(timing.estimated_completion).toLocaleTimeString()}` : "";
  return [
    el("progress", { max: 100, value: progress.overall_percent, "aria-label": `${progress.overall_percent} percent done` }),
    el("ol", { class: "phases", "aria-label": "Phases" }, progress.phases.map(phase)),
    el("p", {}, `${number(metrics.records_processed)} of ${number(metrics.records_total)} rows, ${metrics.bytes_transferred}, ${number(metrics.throughput_records_per_second)} rows/s${left}`),
    told.verdict ? el("p", {}, "Verification: ", el("strong", {}, told.verdict)) : "",
  ];
}

function byTable(rows) {
  return table("Tables, those in progress first", [
    ["Table", (one) => one.table],
    ["State", (one) => one.state],
    ["Rows", (one) => number(one.records_processed), "number"],
    ["Of", (one) => number(one.records_total), "number"],
    ["Repaired", (one) => number(one.errors), "number"],
  ], rows);
}

async function decided(path, place) {
  const plan = await ask("GET", `${path}/plan`);
  const told = plan.summary;
  const telling = plan.mappings.filter((one) => one.transformation || one.status !== "approved" || one.confidence < 1);
  const word = (one, approved) => el("button", { type: "button", id: `${approved ? "approve" : "reject"}-${one.id}`, on: () => act(`${path}/plan/mappings/${one.id}/approve`, { approved }, approved ? "approved; planning again" : "rejected; planning again"), "aria-label": `${approved ? "Approve" : "Reject"} ${one.source.table}.${one.source.column}` }, approved ? "Approve" : "Reject");
  fill(place,
    el("h2", {}, "Plan ", stands(plan.status)),
    el("p", {}, `${counted(told.tables, "table")}, ${counted(told.columns, "column")}, ${counted(told.estimated_records, "row")}, about ${lasting(told.estimated_duration_seconds)}; write lock of about ${lasting(told.estimated_freeze_seconds)}. ${told.to_review ? `Review items that need approval: ${told.to_review}.` : ""}`),
    table("Risks, the most severe first", [
      ["Severity", (one) => el("span", { class: `stands ${one.severity}` }, one.severity)],
      ["What", (one) => `${one.affected.join(", ")}: ${one.description}`],
      ["What to do", (one) => one.mitigation],
    ], plan.risks),
    table(`Columns that are transformed or need approval, of ${number(plan.mappings.length)}`, [
      ["From", (one) => `${one.source.table}.${one.source.column}`],
      ["Type", (one) => one.source_type],
      ["To", (one) => `${one.target.table}.${one.target.column}`],
      ["Type", (one) => one.target_type],
      ["Change", (one) => one.transformation ?? ""],
      ["Confidence", (one) => `${Math.round(one.confidence * 100)} %`, "number"],
      ["Decision", (one) => stands(one.status)],
      ["", (one) => (one.status === "pending_review" ? el("span", { class: "actions" }, word(one, true), word(one, false)) : "")],
    ], telling),
    el("p", { class: "soft" }, `digest ${plan.digest}`));
}

function app(told) {
  const link = told.url ? el("a", { href: told.url, rel: "noreferrer" }, told.url) : "";
  return [
    el("h1", {}, told.repo ?? told.id, " ", stands(told.status)),
    told.error ? el("p", { class: "alert", role: "alert" }, `${told.error.code}: ${told.error.message}`) : "",
    el("dl", {}, el("dt", {}, "Address"), el("dd", {}, link), el("dt", {}, "Framework"), el("dd", {}, told.framework ?? ""), el("dt", {}, "Branch"), el("dd", {}, told.branch ?? "")),
    el("p", {}, el("a", { href: `#/apps/${encodeURIComponent(told.project_id)}` }, "Its releases")),
  ];
}

function apps(place, project = "") {
  const list = el("div");
  place.append(el("h1", {}, project ? words(project.replace("proj_", "")) : "Apps"), list);
  return async () => {
    const query = project ? `?limit=100&project_id=${encodeURIComponent(project)}` : "?limit=100";
    const { data } = await ask("GET", `/v1/deployments${query}`);
    const link = (one) => el("a", { href: `#/apps/${encodeURIComponent(one.project_id)}` }, one.project_id.replace("proj_", ""));
    const back = (one) => el("button", { type: "button", id: `back-${one.id}`, class: "danger", "aria-label": `Roll back to ${one.id}`, on: () => rollBackRelease(one) }, "Roll back to this");
    fill(list, table("Releases, the newest first", [
      ["App", link],
      ["Release", (one) => one.id.replace("dep_", "")],
      ["Status", (one) => stands(one.status)],
      ["Commit", (one) => `${(one.commit_sha ?? "").slice(0, 10)} ${one.commit_message ?? ""}`],
      ["Live", (one) => moment(one.live_at)],
      ["", (one) => (one.url ? el("a", { href: one.url, rel: "noreferrer" }, "Open") : one.allowed_actions.includes("rollback") ? back(one) : "")],
    ], data));
  };
}

async function rollBackRelease(one) {
  const sure = await question(`Roll back to ${one.id.replace("dep_", "")}?`, "Its image and environment go live again. No newer release goes live until the next deploy is requested.", "Roll back");
  if (sure) await act(`/v1/deployments/${encodeURIComponent(one.id)}/rollback`, undefined, "the rollback starts");
}

function connections(place) {
  const list = el("div");
  place.append(el("h1", {}, "Connections"), list);
  return async () => {
    const { data } = await ask("GET", "/v1/connections?limit=100");
    const test = (one) => el("button", { type: "button", id: `test-${one.id}`, "aria-label": `Test ${one.name}`, on: () => tested(one) }, "Test");
    fill(list, table("Source and target databases of migrations", [
      ["Name", (one) => one.name],
      ["Type", (one) => one.type],
      ["Where", (one) => [one.host, one.database].filter(Boolean).join(" / ")],
      ["Status", (one) => stands(one.status)],
      ["", test],
    ], data));
  };
}

async function tested(one) {
  announce(`testing ${one.name} …`);
  try {
    const { data } = await ask("POST", `/v1/connections/${encodeURIComponent(one.id)}/test`);
    announce(data.error ? `${one.name}: ${data.error.message}` : `${one.name}: ${words(data.status)}, ${data.latency_ms ?? "?"} ms`);
  } catch (error) {
    if (!gone(error)) announce(error.message);
  }
}

// -- the log, as it is written ----------------------------------------------------------------------------------------

function followed(path, place) {
  const ended = new AbortController();
  let last = "";
  const line = (told) => {
    const low = place.scrollHeight - place.scrollTop - place.clientHeight < 40;
    place.append(el("span", { class: told.level }, `${told.timestamp.slice(11, 19)} ${words(told.phase)}  ${told.message}\n`));
    while (place.childNodes.length > MOST_LINES) place.firstChild.remove();
    if (low) place.scrollTop = place.scrollHeight;
  };
  const block = (text) => {
    const fields = Object.fromEntries(text.split("\n").map((row) => [row.split(": ", 1)[0], row.slice(row.indexOf(": ") + 2)]));
    if (fields.id) last = fields.id;
    if (fields.event === "log") line(JSON.parse(fields.data));
  };
  const once = async () => {
    const answer = await fetch(`${path}/logs?follow=true`, { headers: headers(last ? { "Last-Event-ID": last } : {}), signal: ended.signal });
    if (!answer.ok) return false;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = "", part = await reader.read(); !part.done; part = await reader.read()) {
      const blocks = (rest + part.value).split("\n\n");
      rest = blocks.pop();
      blocks.forEach(block);
    }
    return true;
  };
  const again = async () => {
    await once().catch(() => false);
    if (!ended.signal.aborted) setTimeout(again, 2 * EVERY_MS);
  };
  again();
  return () => ended.abort();
}

// -- which section ----------------------------------------------------------------------------------------------------

const SECTIONS = { migrations: [migrations, migration], apps: [apps, apps], connections: [connections, connections] };

function gone(error) {
  if (error.status !== 401) return false;
  sessionStorage.removeItem(KEY);
  show();
  return true;
}

function signIn() {
  const input = el("input", { type: "password", id: "key", autocomplete: "off", required: true });
  const enter = (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, input.value.trim());
    show();
  };
  main.replaceChildren(
    el("h1", {}, "API key required"),
    el("p", {}, "Create a key with ", el("code", {}, "landfall keys create"), ". The key is stored only in this tab, until the tab is closed."),
    el("form", { on: enter }, el("label", { for: "key" }, "API key"), input, el("div", { class: "actions" }, el("button", { class: "main" }, "Enter"))));
  input.focus();
}

function show() {
  shown.stop();
  const inside = Boolean(sessionStorage.getItem(KEY));
  document.getElementById("leave").hidden = !inside;
  if (!inside) return signIn();
  const [section = "migrations", item] = location.hash.replace(/^#\//, "").split("/").filter(Boolean).map(decodeURIComponent);
  const name = section in SECTIONS ? section : "migrations";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const place = el("div");
  const trouble = el("div");
  main.replaceChildren(trouble, place);
  const section_ = SECTIONS[name][item ? 1 : 0](place, item);
  document.title = `${item ?? name} · Landfall`;
  main.focus();
  let over = false;
  let timer = 0;
  const look = async () => {
    clearTimeout(timer);
    try {
      await section_();
      trouble.replaceChildren();
    } catch (error) {
      if (over || gone(error)) return;
      fill(trouble, el("p", { class: "alert", role: "alert" }, error.message));
    }
    if (!over) timer = setTimeout(look, EVERY_MS);
  };
  shown = { look, stop() { over = true; clearTimeout(timer); section_.stop?.(); } };
  look();
}

document.getElementById("leave").addEventListener("click", () => {
  sessionStorage.removeItem(KEY);
  show();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", show);
show();
