// The curves: measures of one unit share a panel, panels share the time.

import { byId } from "./elements.js";
import { colour } from "./theme.js";
import { text } from "./texts.js";

export const UNITS = {
  session_cnt: "count",
  visit_pv: "count",
  visit_uv: "count",
  visit_uv_new: "count",
  stay_time_uv: "seconds",
  stay_time_session: "seconds",
  visit_depth: "pages",
};

const unitOf = (measure) => UNITS[measure] ?? "count";
const DAY = 86400000;

/** Draw measures of a trend; periods that are missing break the curve. */
export function draw(trend, measures) {
  if (!window.Plotly) return;
  const units = [...new Set(measures.map(unitOf))];
  const { periods, valuesOf } = withBreaks(trend);
  const traces = measures.map((measure) => ({
    x: periods.map((period) => period.start),
    y: valuesOf(measure),
    customdata: periods.map((period) => (period.start === period.end ? period.start : `${period.start} – ${period.end}`)),
    name: text(measure),
    yaxis: axisName(units.indexOf(unitOf(measure))),
    mode: periods.length > 120 ? "lines" : "lines+markers",
    line: { color: colour(measure), width: 2 },
    marker: { size: 5 },
    connectgaps: false,
    hovertemplate: "%{y:,.6~g}<extra>%{fullData.name}</extra>",
  }));
  const buttons = [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]];
  const settings = { responsive: true, displaylogo: false, displayModeBar: true, modeBarButtons: buttons };
  byId("chart").style.setProperty("--panels", units.length);
  window.Plotly.react(byId("chart"), traces, layout(units), settings);
}

function withBreaks(trend) {
  const periods = [];
  const rows = [];
  trend.period_start.forEach((start, row) => {
    const before = periods.at(-1);
    if (before && Date.parse(start) - Date.parse(before.end) > DAY) {
      periods.push({ start: before.end, end: before.end });
      rows.push(null);
    }
    periods.push({ start, end: trend.period_end[row] });
    rows.push(row);
  });
  return { periods, valuesOf: (measure) => rows.map((row) => (row === null ? null : trend[measure][row])) };
}

const axisName = (position) => (position ? `y${position + 1}` : "y");

function layout(units) {
  const made = {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("text"), family: "system-ui, sans-serif", size: 13 },
    margin: { l: 64, r: 16, t: 32, b: 40 },
    hovermode: "x unified",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("quiet"), activecolor: colour("accent") },
    hoverlabel: { bgcolor: colour("raised"), font: { color: colour("text") } },
    legend: { orientation: "h", y: -0.12 },
    xaxis: { type: "date", gridcolor: colour("line"), anchor: axisName(units.length - 1), ticks: "outside", tickcolor: colour("line"), hoverformat: "%Y-%m-%d" },
  };
  units.forEach((unit, position) => {
    const height = 1 / units.length;
    made[`yaxis${position ? position + 1 : ""}`] = {
      title: { text: text(`unit_${unit}`), font: { size: 12 } },
      domain: [1 - (position + 1) * height + (position < units.length - 1 ? 0.04 : 0), 1 - position * height],
      rangemode: "tozero",
      gridcolor: colour("line"),
      zerolinecolor: colour("line"),
      tickformat: unit === "count" ? "~s" : "",
    };
  });
  return made;
}

/** Save the chart as it is seen. */
export async function savePng(name) {
  const { width, height } = byId("chart").getBoundingClientRect();
  const picture = { format: "png", width: Math.round(width), height: Math.round(height), scale: 2 };
  await window.Plotly.downloadImage(byId("chart"), { ...picture, filename: name });
}
