// A gap, and the backfill that fills it: what stands in its way is said before it is started.

import { byId, element, offer } from "./elements.js";
import { ask, isBackfilled, startBackfill, unpause } from "./server.js";
import { span, text, told } from "./texts.js";

const EVERY = 2000;

// What is shown now: answers and timers of what was shown before change nothing more.
let turn = 0;

/** Open the panel for a gap. */
export async function openGap(report, gap, follow) {
  const mine = ++turn;
  const panel = byId("fill");
  panel.hidden = false;
  panel.replaceChildren(element("p", {}, text("loading")));
  panel.focus();
  panel.scrollIntoView({ block: "nearest" });
  const plans = await ask("plans", { report, begin: gap.first, end: gap.last });
  if (mine !== turn) return;
  const title = element("h3", {}, text("fill_title", { range: span(gap.first, gap.last) }));
  const close = element("button", { type: "button", onclick: () => (panel.hidden = true) }, text("close"));
  if (!plans.length) {
    panel.replaceChildren(title, element("p", {}, text("no_dag_for_gap", { report })), close);
    return;
  }
  const choice = element("select", { id: "fill-dag" });
  offer(choice, plans.map((plan) => [plan.dag_id, plan.dag_id]));
  const body = element("div", { id: "fill-plan" });
  const show = () => showPlan(body, plans.find((plan) => plan.dag_id === choice.value), gap, follow);
  choice.onchange = show;
  const several = plans.length > 1 ? [element("p", {}, text("several_dags", { count: plans.length }))] : [];
  choice.value = (plans.find((plan) => plan.may_fill) ?? plans[0]).dag_id;
  panel.replaceChildren(title, ...several, element("label", {}, `${text("dag")} `, choice), body, close);
  await show();
}

async function showPlan(body, plan, gap, follow) {
  const mine = ++turn;
  const { dag_id, backfill } = plan;
  const again = () => trying(body, () => showPlan(body, plan, gap, follow));
  const say = (...content) => body.replaceChildren(element("p", { className: "note" }, text("schedule", plan)), ...content);
  const sentence = (name, values) => element("p", {}, text(name, values));
  if (!plan.may_fill) return say(sentence("may_not_fill", { dag_id }));
  if (!backfill) return say(sentence("no_run", { dag_id }));
  if (plan.paused) {
    const button = element("button", { type: "button", onclick: () => trying(body, async () => { await unpause(dag_id); plan.paused = false; await again(); byId("fill").focus(); }) }, text("unpause"));
    return say(sentence("paused", { dag_id }), button);
  }
  const isBusy = await isBackfilled(dag_id);
  if (mine !== turn) return;
  if (isBusy) {
    setTimeout(() => mine === turn && isOpen(body) && again(), EVERY);
    return say(sentence("under_way", { dag_id }));
  }
  const start = element("button", { type: "button", className: "main", onclick: () => trying(body, () => fill(body, plan, gap, follow)) }, text("start_backfill"));
  const unsure = plan.dates_are_sure ? [] : [sentence("not_sure")];
  const [from, to] = plan.dates_are_sure ? [gap.first, gap.last] : [backfill.from_date, backfill.to_date];
  say(sentence("dates", { dag_id, from, to, count: gap.count }), ...unsure, start);
}

const isOpen = (body) => body.isConnected && !byId("fill").hidden;

async function trying(body, act) {
  try {
    await act();
  } catch (failure) {
    body.append(element("p", { className: "warning" }, told(failure, "refused")));
  }
}

async function fill(body, plan, gap, follow) {
  const mine = ++turn;
  await startBackfill(plan.backfill);
  const progress = element("progress", { max: gap.count, value: 0 });
  const words = element("p", { id: "fill-told" });
  body.replaceChildren(progress, words);
  byId("fill").focus();
  while (mine === turn && isOpen(body)) {
    const ended = !(await isBackfilled(plan.dag_id));
    if (mine !== turn || !isOpen(body)) return;
    const landed = gap.count - (await follow(gap, ended));
    const name = !ended ? "started" : landed === gap.count ? "filled" : "not_all_filled";
    const now = text(name, { landed, count: gap.count });
    progress.value = landed;
    if (words.textContent !== now) words.textContent = now; // a screen reader reads each change aloud
    if (ended) return;
    do await new Promise((done) => setTimeout(done, EVERY));
    while (document.hidden);
  }
}
