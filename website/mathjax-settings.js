// The notebooks' mathematics: $...$ and $$...$$, as in JupyterLab.
window.MathJax = {
  tex: { inlineMath: [["$", "$"]], displayMath: [["$$", "$$"]], processEscapes: true },
  svg: { fontCache: "global", scale: 0.94 },
  options: { skipHtmlTags: ["script", "noscript", "style", "textarea", "pre", "code", "figure"],
             enableMenu: false },
};
