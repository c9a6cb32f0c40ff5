// Light, dark, or as the system has it.

import { recall, remember } from "./dom.js";

const NAME = "foveate-theme";
const THEMES = ["auto", "light", "dark"];

/** Let a button switch the theme of the page. */
export function startTheme(button, onChange) {
  let theme = THEMES.includes(recall(NAME)) ? recall(NAME) : "auto";
  const show = () => {
    document.documentElement.dataset.theme = theme;
    button.textContent = { auto: "Auto", light: "Light", dark: "Dark" }[theme];
    button.setAttribute("aria-label", `Theme: ${theme}`);
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    remember(NAME, theme);
    show();
    onChange?.(theme);
  });
  show();
}
