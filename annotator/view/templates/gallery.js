"use strict";
(() => {
  const events = JSON.parse(document.getElementById("data").textContent);
  const cards = [...document.querySelectorAll(".card")];
  const form = document.querySelector("form");
  if (!form) return;
  form.hidden = false;
  const field = (id) => document.getElementById(id);
  const [find, who, label, monitor, day] = ["find", "who", "label", "monitor", "day"].map(field);
  const viewer = field("viewer"), help = field("help");
  const part = (selector) => viewer.querySelector(selector);

  // Which events are shown.
  const shown = () => cards.filter((card) => !card.hidden);

  function fits(event) {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    return (!who.value || event.people.includes(who.value))
      && (!label.value || event.labels.includes(label.value))
      && (!monitor.value || event.monitor === monitor.value)
      && (!day.value || event.day === day.value)
      && words.every((word) => event.text.includes(word));
  }

  function filter() {
    let count = 0;
    for (const card of cards) {
      card.hidden = !fits(events[card.dataset.at]);
      count += !card.hidden;
    }
    for (const section of document.querySelectorAll("section")) {
      const here = section.querySelectorAll(".card:not([hidden])").length;
      section.hidden = !here;
      section.querySelector("small").textContent = here === 1 ? "1 event" : `${here} events`;
    }
    field("nothing").hidden = count > 0;
    field("count").textContent = count === cards.length
      ? `${count} ${count === 1 ? "event" : "events"}` : `${count} of ${cards.length} events`;
  }

  // Moving between events.
  function focusOn(card) {
    if (!card) return;
    card.querySelector("a").focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  }

  function move(by) {
    const here = shown();
    const at = here.indexOf(document.activeElement.closest(".card"));
    focusOn(at < 0 ? here[0] : here[Math.max(0, Math.min(here.length - 1, at + by))]);
  }

  function moveRow(way) {
    const here = shown(), card = document.activeElement.closest(".card");
    if (!card) return move(0);
    const from = card.getBoundingClientRect();
    const there = here.map((one) => [one, one.getBoundingClientRect()])
      .filter(([, box]) => way * (box.top - from.top) > 4);
    const row = way > 0 ? Math.min(...there.map(([, box]) => box.top))
      : Math.max(...there.map(([, box]) => box.top));
    const near = there.filter(([, box]) => Math.abs(box.top - row) < 4)
      .sort(([, a], [, b]) => Math.abs(a.left - from.left) - Math.abs(b.left - from.left));
    if (near.length) focusOn(near[0][0]);
  }

  // One event, larger.
  let current = null, at = 0;

  function open(card) {
    current = card;
    const event = events[card.dataset.at];
    part("#viewer-title").textContent = event.title;
    part(".strip").replaceChildren(...event.shots.map((shot, number) => {
      const item = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.textContent = shot.time;
      button.addEventListener("click", () => turnTo(number));
      item.append(button);
      return item;
    }));
    part(".strip").hidden = event.shots.length < 2;
    if (!viewer.open) viewer.showModal();
    turnTo(event.best);
  }

  function turnTo(number) {
    const { shots } = events[current.dataset.at];
    at = Math.max(0, Math.min(shots.length - 1, number));
    const shot = shots[at], picture = part("figure img"), none = part("figure .none");
    picture.hidden = !shot.src;
    none.hidden = Boolean(shot.src);
    if (shot.src) picture.src = shot.src; else picture.removeAttribute("src");
    picture.alt = `${shot.time}: ${shot.told}`;
    none.textContent = `no picture: ${shot.problem}`;
    part("figcaption").textContent = `${shot.time}, ${at + 1} of ${shots.length}: ${shot.told}`;
    part(".previous").disabled = at === 0;
    part(".next").disabled = at === shots.length - 1;
    part(".strip").querySelectorAll("button").forEach((button, place) => {
      if (place !== at) return button.removeAttribute("aria-current");
      button.setAttribute("aria-current", "true");
      button.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    for (const next of [shots[at + 1], shots[at - 1]]) {
      if (next && next.src) new Image().src = next.src;
    }
  }

  function otherEvent(by) {
    const here = shown(), next = here[here.indexOf(current) + by];
    if (next) open(next);
  }

  // Keys.
  const inGrid = {
    j: () => move(1), k: () => move(-1), ArrowRight: () => move(1), ArrowLeft: () => move(-1),
    ArrowDown: () => moveRow(1), ArrowUp: () => moveRow(-1),
    "/": () => { find.focus(); find.select(); },
    Escape: () => form.reset(),
  };
  const inViewer = {
    ArrowRight: () => turnTo(at + 1), ArrowLeft: () => turnTo(at - 1),
    Home: () => turnTo(0), End: () => turnTo(Infinity),
    ArrowDown: () => otherEvent(1), ArrowUp: () => otherEvent(-1),
    j: () => otherEvent(1), k: () => otherEvent(-1), Escape: () => viewer.close(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const typing = event.target.matches("input, select");
    if (typing && event.key === "Escape") {
      event.preventDefault();
      form.reset();
      event.target.blur();
      return;
    }
    if (typing) return;
    if (event.key === "?") {
      event.preventDefault();
      help.showModal();
      return;
    }
    const act = (viewer.open ? inViewer : inGrid)[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });

  // Mouse and touch.
  let touch = null;
  const figure = part("figure");
  figure.addEventListener("touchstart", (event) => {
    touch = event.touches.length === 1 ? event.touches[0] : null;
  }, { passive: true });
  figure.addEventListener("touchend", (event) => {
    if (!touch) return;
    const end = event.changedTouches[0];
    const dx = end.clientX - touch.clientX, dy = end.clientY - touch.clientY;
    if (Math.abs(dx) > 40 && Math.abs(dx) > 2 * Math.abs(dy)) turnTo(at + (dx < 0 ? 1 : -1));
    touch = null;
  });
  part(".previous").addEventListener("click", () => turnTo(at - 1));
  part(".next").addEventListener("click", () => turnTo(at + 1));
  viewer.addEventListener("close", () => focusOn(current));
  for (const dialog of [viewer, help]) {
    dialog.querySelector(".close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }
  field("help-button").addEventListener("click", () => help.showModal());
  field("events").addEventListener("click", (event) => {
    const link = event.target.closest(".card > a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(link.closest(".card"));
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  filter();
})();
