// What the page says, in the browser's language.

const all = await (await fetch("files/texts.json")).json();

export const language = navigator.languages.find((one) => /^(en|zh)\b/i.test(one))?.slice(0, 2).toLowerCase() ?? "en";

/** Return a text, with what stands in braces replaced. */
export function text(name, values = {}) {
  return all[language][name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

export const number = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });

const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1, signDisplay: "always" });

/** Return how much a number has changed, or nothing where it cannot be said. */
export function change(now, before) {
  return before ? percent.format(now / before - 1) : "";
}

/** Say what has failed: to be logged out, to know what to do, to be refused by a server, or none of these. */
export function told(failure, refused = "failed") {
  if (failure.status === 401) return text("log_in");
  if (failure.problem) return text(`problem_${failure.problem}`, { detail: failure.message });
  return text(failure.status ? refused : "failed", { words: failure.message });
}

/** Return a period by its first and last day. */
export function span(first, last) {
  return first === last ? first : `${first} – ${last}`;
}

export function sayAll() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  document.title = text("title");
}
