// The theme button, the list of headings, and keyboards for what scrolls sideways.
(function () {
  const root = document.documentElement, button = document.querySelector("button.theme");
  function show(theme) {
    root.dataset.theme = theme;
    button.setAttribute("aria-pressed", String(theme === "dark"));
  }
  button.hidden = false;
  show(root.dataset.theme);
  button.addEventListener("click", () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    show(theme);
    try { localStorage.setItem("ddpm-theme", theme); } catch { /* then only this page knows */ }
  });

  const list = document.querySelector("aside details");
  if (list && matchMedia("(max-width: 74rem)").matches) list.open = false;

  function reachable() {  // what scrolls sideways must be reachable without a mouse
    document.querySelectorAll("pre, .wide, mjx-container[display]").forEach((box) => {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0; else box.removeAttribute("tabindex");
    });
  }
  reachable();
  addEventListener("resize", reachable);
  if (window.MathJax?.startup?.promise) window.MathJax.startup.promise.then(reachable);

  const links = new Map([...document.querySelectorAll("aside a")].map((a) => [a.dataset.anchor, a]));
  if (links.size) {
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        links.forEach((link) => link.removeAttribute("aria-current"));
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    }, { rootMargin: "0px 0px -75% 0px" });
    document.querySelectorAll("main :is(h2, h3)[id]").forEach((heading) => seen.observe(heading));
  }
})();
