// Runs before the page is drawn, so that nobody sees the wrong theme first. page.js brings the button.
(function () {
  let kept = null;
  try { kept = localStorage.getItem("ddpm-theme"); } catch { /* a page from disk may have no storage */ }
  const dark = kept ? kept === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
