// The few words that building the page takes.

/** Make an element: its properties, then what it holds. */
export function element(tag, properties = {}, ...children) {
  const { dataset, aria, ...others } = properties;
  const made = Object.assign(document.createElement(tag), others);
  Object.assign(made.dataset, dataset);
  for (const [name, value] of Object.entries(aria ?? {})) made.setAttribute(`aria-${name}`, value);
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Put options into a select, keeping what was chosen where it is still there. */
export function offer(select, options, chosen = select.value) {
  select.replaceChildren(...options.map(([value, label]) => element("option", { value }, label)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

/** Have the browser save a text. */
export function save(name, content, type) {
  const link = element("a", { download: name, href: URL.createObjectURL(new Blob([content], { type })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
