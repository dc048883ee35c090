// Light, dark, or as the system is: kept between visits, changed by one button.
const KEY = "theme";
const ORDER = ["auto", "light", "dark"];
const SIGN = { auto: "◐", light: "☀", dark: "☾" };

function stored() {
  try {
    const theme = localStorage.getItem(KEY);
    return ORDER.includes(theme) ? theme : "auto";
  } catch {
    return "auto";
  }
}

function show(theme) {
  const root = document.documentElement;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  for (const button of document.querySelectorAll(".theme")) {
    button.textContent = SIGN[theme];
    button.setAttribute("aria-label", `Colours: ${theme}. Change.`);
    button.title = `Colours: ${theme}`;
    button.hidden = false;
  }
  // What is painted by script has to be painted anew.
  document.dispatchEvent(new Event("theme"));
}

let theme = stored();
show(theme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(theme));
for (const button of document.querySelectorAll(".theme")) {
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // A browser that keeps nothing shows the choice until the page is left.
    }
    show(theme);
  });
}
