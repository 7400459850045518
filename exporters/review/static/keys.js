// The keyboard: one map for all pages, read from the markup.
//
//   data-key="p"         pressing the key clicks the element, or focuses it where it is a field; "g o" is one after the other
//   data-says="..."      what the help dialog says of it (else its label)
//   data-list            a list: j and k go through its data-item elements, which may be links or hold one; Enter is the link's
//   data-live            an element that polls (hx-trigger="every 5s"): it does not while the page is hidden or it is paused
//   data-pause="id"      a button that pauses the data-live element with this id, and lets it go on
//
// Keys do nothing in fields, with Ctrl, Alt or Meta, or where the person switched them off (they may stand in the way of
// speech input). What is swapped in later needs no set-up: everything is looked up when a key is pressed.
"use strict";
(() => {
  const OFF = "sidecheck.keys.off";
  const SEQUENCE_MS = 1200;
  let first = null;
  let firstAt = 0;

  const isField = (e) => e.matches?.("input:not([type=checkbox],[type=radio],[type=button],[type=submit]), select, textarea, [contenteditable]");
  const isOff = () => localStorage.getItem(OFF) === "1";
  const isShown = (e) => !e.disabled && e.getClientRects().length > 0;
  const elements = (selector, within = document) => [...within.querySelectorAll(selector)].filter(isShown);

  function press(element) {
    if (isField(element)) {
      element.focus();
      element.select?.();
    } else {
      element.click();
    }
  }

  function move(by) {
    const list = document.activeElement?.closest?.("[data-list]") ?? elements("[data-list]")[0];
    if (!list) return false;
    const items = elements("[data-item]", list);
    if (!items.length) return false;
    const at = items.findIndex((item) => item.contains(document.activeElement));
    const to = items[at < 0 ? (by > 0 ? 0 : items.length - 1) : Math.max(0, Math.min(items.length - 1, at + by))];
    const target = to.matches("a, button, [tabindex]") ? to : to.querySelector("a, button") ?? to;
    target.focus();
    to.scrollIntoView({ block: "nearest" });
    return true;
  }

  function found(key, now) {
    const scope = document.querySelector("dialog[open]") ?? document;
    const of = (wanted) => elements("[data-key]", scope).find((e) => e.dataset.key === wanted);
    const second = first && now - firstAt < SEQUENCE_MS ? of(`${first} ${key}`) : null;
    return second ?? of(key);
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
    if (isOff() || isField(event.target)) return;
    const now = event.timeStamp;
    const element = found(event.key, now);
    first = element ? null : event.key;
    firstAt = now;
    if (element) {
      event.preventDefault();
      press(element);
    } else if ((event.key === "j" || event.key === "k") && !document.querySelector("dialog[open]")) {
      if (move(event.key === "j" ? 1 : -1)) event.preventDefault();
    }
  });

  // The help: what is on the page now.
  function row(key, says) {
    const line = document.createElement("tr");
    const cell = line.insertCell();
    for (const part of key.split(" ")) {
      const kbd = document.createElement("kbd");
      kbd.textContent = part;
      cell.append(kbd, " ");
    }
    line.insertCell().textContent = says;
    return line;
  }

  function showKeys() {
    const dialog = document.getElementById("keys");
    const rows = elements("[data-key]").map((e) => row(e.dataset.key, e.dataset.says ?? e.getAttribute("aria-label") ?? e.textContent.trim()));
    if (elements("[data-list] [data-item]").length) rows.unshift(row("j", "Next in the list"), row("k", "Previous in the list"));
    dialog.querySelector("tbody").replaceChildren(...rows);
    document.getElementById("keys-on").checked = !isOff();
    dialog.showModal();
  }

  document.addEventListener("click", (event) => {
    const clicked = event.target.closest?.("button, input");
    if (clicked?.id === "show-keys") showKeys();
    if (clicked?.dataset.pause) pause(clicked);
  });

  document.addEventListener("change", (event) => {
    if (event.target.id === "keys-on") localStorage.setItem(OFF, event.target.checked ? "0" : "1");
  });

  // Addresses without the fields that nobody filled in.
  document.addEventListener("formdata", (event) => {
    if (event.target.method !== "get") return;
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });

  // Polling that a person stopped, or that nobody sees, asks for nothing.
  function pause(button) {
    const isPaused = document.getElementById(button.dataset.pause).classList.toggle("paused");
    button.setAttribute("aria-pressed", String(isPaused));
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    const element = event.detail.elt;
    if (element.dataset.live === undefined) return;
    if (element.classList.contains("paused") || document.hidden) event.preventDefault();
  });

  // An earlier error is over when something succeeds.
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) document.getElementById("problem").replaceChildren();
  });
  document.addEventListener("htmx:sendError", () => {
    document.getElementById("problem").textContent = "sidecheck does not answer. It is tried again with the next change.";
  });
})();
