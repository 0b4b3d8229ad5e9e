// Searches the sections of all lessons, which search-index.js holds; nothing leaves the page.
(function () {
  const form = document.querySelector("form.search"), input = form.querySelector("input");
  const found = document.getElementById("found"), results = document.getElementById("results");
  const sections = window.SECTIONS.map((section) => ({ ...section, text: section.words.toLowerCase() }));
  const MOST = 20, AROUND = 60;
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());

  function snippet(section, word) {
    const at = section.text.indexOf(word), from = Math.max(0, at - AROUND);
    const cut = section.words.slice(from, at + word.length + AROUND);
    const paragraph = document.createElement("span"), mark = document.createElement("mark");
    mark.textContent = cut.slice(at - from, at - from + word.length);
    paragraph.append(from ? "… " : "", cut.slice(0, at - from), mark, cut.slice(at - from + word.length), " …");
    return paragraph;
  }
  function entry(section, word) {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = section.page;
    link.textContent = `${section.lesson} › ${section.heading}`;
    item.append(link, snippet(section, word));
    return item;
  }
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter((word) => word.length > 1);
    const all = words.length ? sections.filter((s) => words.every((word) => s.text.includes(word))) : [];
    const inHeading = (s) => words.filter((word) => s.heading.toLowerCase().includes(word)).length;
    all.sort((a, b) => inHeading(b) - inHeading(a));
    results.replaceChildren(...all.slice(0, MOST).map((section) => entry(section, words[0])));
    results.hidden = all.length === 0;
    found.textContent = words.length ? `${all.length} ${all.length === 1 ? "section" : "sections"}` : "";
  });
})();
