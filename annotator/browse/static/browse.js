// Comfort only: every page works without it.

const picture = document.querySelector("#picture img");

// Arrow keys, and a swipe on a phone, go through an event's captures.
function go(id) {
  const link = document.getElementById(id);
  if (link) location.assign(link.href);
}

if (picture) {
  const keys = { ArrowLeft: "before", ArrowRight: "after", ArrowUp: "up", Escape: "up", b: "boxes" };
  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (!typing && !event.ctrlKey && !event.altKey && !event.metaKey && keys[event.key]) {
      event.preventDefault();
      go(keys[event.key]);
    }
  });

  let start = null;
  picture.addEventListener("touchstart", (event) => {
    start = event.touches.length === 1 ? event.touches[0] : null;
  }, { passive: true });
  picture.addEventListener("touchend", (event) => {
    if (!start) return;
    const end = event.changedTouches[0];
    const [dx, dy] = [end.clientX - start.clientX, end.clientY - start.clientY];
    if (Math.abs(dx) > 60 && Math.abs(dx) > 2 * Math.abs(dy)) go(dx > 0 ? "before" : "after");
    start = null;
  }, { passive: true });

  // The neighbours are there when they are asked for.
  const fetchNeighbours = () => {
    for (const link of document.querySelectorAll(".steps a[data-picture]")) {
      new Image().src = link.dataset.picture;
    }
  };
  if (picture.complete) fetchNeighbours();
  else picture.addEventListener("load", fetchNeighbours, { once: true });
}

// A filter counts as soon as it is chosen, and empty ones are left out of the address.
const filters = document.querySelector("form.choose");
if (filters) {
  filters.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) {
      if (!value) event.formData.delete(name);
    }
  });
  filters.addEventListener("change", (event) => {
    if (event.target.matches("select")) filters.requestSubmit();
  });
}
