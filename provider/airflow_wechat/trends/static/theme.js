// Light or dark: as Airflow's UI around the page, or as the browser where the page stands alone.

const dark = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  if (window.parent !== window) {
    const { classList } = window.parent.document.documentElement;
    if (classList.contains("dark")) return true;
    if (classList.contains("light")) return false;
  }
  return dark.matches;
}

/** Follow the theme, and call back after each change. */
export function followTheme(changed) {
  const follow = () => {
    const theme = isDark() ? "dark" : "light";
    if (document.documentElement.dataset.theme === theme) return;
    document.documentElement.dataset.theme = theme;
    changed();
  };
  dark.addEventListener("change", follow);
  if (window.parent !== window) {
    const watched = { attributes: true, attributeFilter: ["class"] };
    new MutationObserver(follow).observe(window.parent.document.documentElement, watched);
  }
  follow();
}

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
