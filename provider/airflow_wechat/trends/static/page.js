// What is chosen, and everything that follows from it.

import { draw, savePng } from "./chart.js";
import { drawCoverage } from "./coverage.js";
import { byId, element, offer, save } from "./elements.js";
import { openGap } from "./filling.js";
import { ask } from "./server.js";
import { change, number, sayAll, span, text, told } from "./texts.js";
import { followTheme } from "./theme.js";

const RANGES = { days_30: 30, days_90: 90, days_365: 365, all: Infinity };
const FIRST_RANGE = { daily: "days_90", weekly: "days_365", monthly: "all" };
const DAY = 86400000;

const chosen = { measures: new Set(["visit_pv", "visit_uv"]) };
let choices;
let trend;
let asked = 0; // answers to what is no longer chosen are dropped

const day = (moment) => new Date(moment).toISOString().slice(0, 10);
const today = () => day(Date.now() + 8 * 3600000); // in Beijing
const reportNow = () => choices.reports.find((one) => one.name === byId("report").value);
const appNow = () => reportNow().apps.find((one) => one.app_id === byId("app").value);

async function begin() {
  sayAll();
  followTheme(() => trend && draw(trend, shown()));
  byId("message").textContent = text("loading");
  choices = await ask("choices");
  byId("message").textContent = choices.plotly ? "" : text("no_plotly");
  for (const id of ["chart", "png"]) byId(id).hidden = !choices.plotly;
  offer(byId("report"), choices.reports.filter((one) => one.apps.length).map((one) => [one.name, text(one.granularity)]));
  offer(byId("range"), [...Object.keys(RANGES), "own"].map((name) => [name, text(name)]));
  byId("content").hidden = false;
  byId("report").onchange = () => offerApps();
  byId("app").onchange = () => setDates();
  byId("range").onchange = () => setDates();
  for (const id of ["begin", "end"]) byId(id).onchange = () => ((byId("range").value = "own"), show());
  byId("png").onclick = () => noted(() => savePng(fileName()));
  byId("csv").onclick = () => noted(() => save(`${fileName()}.csv`, asCsv(), "text/csv"));
  byId("choices").onsubmit = (event) => event.preventDefault();
  await offerApps();
}

function offerApps() {
  offer(byId("app"), reportNow().apps.map((one) => [one.app_id, one.app_id]));
  byId("range").value = FIRST_RANGE[reportNow().granularity];
  return setDates();
}

function setDates() {
  const length = RANGES[byId("range").value];
  if (length) {
    const { first, last } = appNow();
    byId("begin").value = length === Infinity ? first : day(Math.max(Date.parse(first), Date.parse(last) - (length - 1) * DAY));
    byId("end").value = last > today() ? last : today();
  }
  return show();
}

const selection = () => ({ report: reportNow().name, app_id: byId("app").value, begin: byId("begin").value, end: byId("end").value });
const shown = () => reportNow().measures.map((one) => one.name).filter((name) => chosen.measures.has(name));
const fileName = () => Object.values(selection()).join("_");

async function show() {
  if (!byId("begin").value || !byId("end").value) return;
  byId("fill").hidden = true;
  const mine = ++asked;
  try {
    const [numbers, coverage] = await Promise.all([ask("trend", selection()), ask("coverage", selection())]);
    if (mine !== asked) return;
    trend = numbers;
    showNumbers();
    showCoverage(coverage);
    byId("message").textContent = choices.plotly ? "" : text("no_plotly");
  } catch (failure) {
    if (mine === asked) tell(failure);
  }
}

function showNumbers() {
  showCards();
  draw(trend, shown());
  showTable();
}

function showCards() {
  const last = trend.period_start.length - 1;
  const hasBefore = last > 0 && Date.parse(trend.period_start[last]) - Date.parse(trend.period_end[last - 1]) <= DAY;
  const named = (row) => span(trend.period_start[row], trend.period_end[row]);
  byId("latest-title").textContent =
    last < 0 ? text("nothing_in_range") : hasBefore ? text("latest", { period: named(last), before: named(last - 1) }) : text("latest_alone", { period: named(last) });
  byId("cards").replaceChildren(...reportNow().measures.map((measure) => card(measure, last, hasBefore)));
}

function card({ name, meaning }, last, hasBefore) {
  const now = trend[name][last];
  const before = hasBefore ? trend[name][last - 1] : null;
  const isShown = chosen.measures.has(name);
  const toggle = () => {
    if (isShown && chosen.measures.size > 1) chosen.measures.delete(name);
    else chosen.measures.add(name);
    showNumbers();
    byId("cards").querySelector(`[data-measure=${name}]`).focus();
  };
  const direction = now > before ? "up" : now < before ? "down" : "";
  return element(
    "button",
    { type: "button", className: "card", title: `${meaning}. ${text("show_measure", { measure: text(name) })}`, dataset: { measure: name }, aria: { pressed: isShown }, onclick: toggle },
    element("span", { className: "name" }, text(name)),
    element("strong", {}, now == null ? "–" : number.format(now)),
    element("span", { className: `change ${before == null ? "" : direction}` }, before == null || now == null ? "" : change(now, before)),
    element("span", { className: "before" }, before == null ? text("no_before") : text("before", { value: number.format(before) })),
  );
}

function columns() {
  return ["period_start", "period_end", ...reportNow().measures.map((one) => one.name)];
}

function showTable() {
  const names = columns().slice(2);
  const head = element("tr", {}, ...[text("period"), ...names.map((name) => text(name))].map((label) => element("th", { scope: "col" }, label)));
  const rows = trend.period_start.map((start, row) =>
    element("tr", {}, element("th", { scope: "row" }, span(start, trend.period_end[row])), ...names.map((name) => element("td", {}, trend[name][row] == null ? "–" : number.format(trend[name][row])))),
  );
  byId("numbers").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows.reverse()));
}

function asCsv() {
  const lines = trend.period_start.map((_, row) => columns().map((name) => trend[name][row] ?? "").join(","));
  return [columns().join(","), ...lines, ""].join("\r\n");
}

function showCoverage(coverage, filling) {
  drawCoverage(reportNow().granularity, coverage, filling, (gap) => openGap(selection().report, gap, follow).catch(tell));
}

/** See how far a gap has been filled: draw it, and return how many of its periods are still missing. */
async function follow(gap, ended) {
  const mine = asked;
  const isInGap = (period) => gap.first <= period.start && period.end <= gap.last;
  const coverage = await ask("coverage", selection());
  const numbers = ended ? await ask("trend", selection()) : trend;
  if (mine === asked) {
    trend = numbers;
    showCoverage(coverage, ended ? undefined : isInGap);
    if (ended) showNumbers();
  }
  return coverage.periods.filter((one) => isInGap(one) && one.state === "missing").length;
}

/** Save something, and say what to do where the frame forbids it. */
async function noted(act) {
  await act();
  if (window.parent === window) return;
  const own = element("code", {}, location.href); // the frame would not open a link
  byId("frame-note").replaceChildren(text("frame_note"), " ", own);
  byId("frame-note").hidden = false;
}

function tell(failure) {
  byId("message").textContent = told(failure);
}

begin().catch(tell);
