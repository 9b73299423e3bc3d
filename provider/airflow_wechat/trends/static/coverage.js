// The calendar of what has landed, and the list of what is missing.

import { byId, element } from "./elements.js";
import { span, text } from "./texts.js";

// Which row of the calendar a period stands in, and in which of its columns.
const PLACES = {
  daily: { columns: 31, row: (day) => day.slice(0, 7), column: (day) => Number(day.slice(8)) },
  weekly: { columns: 53, row: (day) => week(day).year, column: (day) => week(day).number },
  monthly: { columns: 12, row: (day) => day.slice(0, 4), column: (day) => Number(day.slice(5, 7)) },
};

const STATES = ["landed", "missing", "to_be_published", "being_filled"];

function week(monday) {
  const thursday = new Date(Date.parse(monday) + 3 * 86400000);
  const year = thursday.getUTCFullYear();
  return { year: String(year), number: 1 + Math.floor((thursday - Date.UTC(year, 0, 1)) / (7 * 86400000)) };
}

/** Draw the coverage of a report; choosing a gap calls back. */
export function drawCoverage(granularity, coverage, filling, choose) {
  byId("legend").replaceChildren(
    ...STATES.map((state) => element("span", {}, element("i", { className: `cell ${state}` }), ` ${text(state)}`)),
  );
  const gapOf = (period) => coverage.gaps.find((gap) => gap.first <= period.start && period.end <= gap.last);
  const stateOf = (period) => (period.state === "missing" && filling?.(period) ? "being_filled" : period.state);
  const { columns, row, column } = PLACES[granularity];
  const rows = grouped(coverage.periods, row);
  byId("calendar").replaceChildren(
    ...[...rows].reverse().map(([label, periods]) => {
      const cells = periods.map((period) => cell(period, stateOf(period), gapOf(period), choose));
      cells.forEach((one, position) => one.style.setProperty("grid-column", 1 + column(periods[position].start)));
      const line = element("div", { className: "row" }, element("span", { className: "label" }, label), ...cells);
      line.style.setProperty("--columns", columns);
      return line;
    }),
  );
  listGaps(coverage.gaps, choose);
}

function grouped(periods, row) {
  const rows = new Map();
  for (const period of periods) {
    const label = row(period.start);
    if (!rows.has(label)) rows.set(label, []);
    rows.get(label).push(period);
  }
  return rows;
}

function cell(period, state, gap, choose) {
  const title = `${span(period.start, period.end)}: ${text(state)}`;
  const named = { className: `cell ${state}`, title, dataset: { start: period.start }, aria: { label: title } };
  // The list below has a button for each gap; by keyboard the calendar would be a long way.
  if (state === "missing") return element("button", { ...named, type: "button", tabIndex: -1, onclick: () => choose(gap) });
  const made = element("i", named);
  made.setAttribute("role", "img");
  return made;
}

function listGaps(gaps, choose) {
  const count = gaps.reduce((sum, gap) => sum + gap.count, 0);
  byId("gaps-title").textContent = count ? text("gaps_title", { count }) : text("no_gaps");
  byId("gaps").replaceChildren(
    ...gaps.map((gap) => {
      const range = span(gap.first, gap.last);
      const button = element("button", { type: "button", onclick: () => choose(gap), aria: { label: text("fill_title", { range }) } }, text("fill"));
      return element("li", {}, element("span", {}, text("gap", { range, count: gap.count })), " ", button);
    }),
  );
}
