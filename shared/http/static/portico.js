/**
 * What pages do better with a script. Every page works without this file; nothing here talks to a server.
 * All words come from attributes that the templates write, so that they are translated with the page.
 */

/** How long a form that was sent refuses to be sent again, in case no new page comes. */
const RESUBMIT_AFTER_MS = 10_000;

/** The element that an attribute names, as `id` or `#id`. Ids of ours may hold dots, so no selectors. */
function named(reference) {
  return reference ? document.getElementById(reference.replace(/^#/, "")) : null;
}

/** Say `words` to screen readers and, where the page has a place for them beside `button`, to everyone. */
function announce(button, words) {
  const place = named(button.dataset.status) ?? document.getElementById("announcements");
  if (!place || !words) return;
  // Emptied first, or the same words said twice would be no change and stay silent.
  place.textContent = "";
  window.setTimeout(() => (place.textContent = words), 60);
}

/* Copy */

async function copy(button) {
  const source = named(button.dataset.copy);
  if (!source) return;
  const text = ("value" in source ? source.value : source.textContent).trim();
  const done = (await writeClipboard(text)) || copySelection(source);
  announce(button, done ? button.dataset.copied : button.dataset.copyFailed);
}

async function writeClipboard(text) {
  // Absent on plain http other than localhost, refused where the agency's policy says so.
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function copySelection(source) {
  const range = document.createRange();
  range.selectNodeContents(source);
  const selection = window.getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
  // The text stays selected if this fails too: the person can copy it by hand.
  return document.execCommand("copy");
}

/* Fill one field from another place on the page */

function populate(button) {
  const source = named(button.dataset.populateFrom);
  const target = named(button.dataset.populateTo);
  if (!source || !target) return false;
  const text = ("value" in source ? source.value : source.textContent).trim();
  if (text) {
    target.value = text;
    target.dispatchEvent(new Event("input", { bubbles: true }));
  }
  announce(button, text ? button.dataset.populated : button.dataset.populateEmpty);
  return true;
}

/* Show a password */

function togglePassword(button) {
  const field = named(button.dataset.passwordToggle);
  if (!field) return;
  const shown = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(shown));
  field.type = shown ? "text" : "password";
}

function hidePasswords(form) {
  // Password managers and browsers save a field only while it is of type password.
  for (const button of form.querySelectorAll("[data-password-toggle][aria-pressed=true]")) togglePassword(button);
}

/* Windows */

function openWindow(dialog) {
  if (typeof dialog.showModal !== "function") return;
  // An open dialog cannot be made modal, and close() would tell our own listener that somebody left.
  dialog.removeAttribute("open");
  dialog.showModal();
  firstPlace(dialog)?.focus();
  let left = false;
  const leave = () => {
    if (left) return;
    left = true;
    const way = dialog.querySelector("[data-dialog-cancel]");
    if (way) way.click();
    else dialog.close();
  };
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave();
  });
  // A browser closes on the second Escape whatever the page says to the first.
  dialog.addEventListener("close", leave);
  window.addEventListener("pageshow", () => (left = false));
}

function firstPlace(dialog) {
  return (
    dialog.querySelector("[data-error-heading]") ??
    dialog.querySelector("[aria-invalid=true]") ??
    dialog.querySelector("input:not([type=hidden], [disabled]), select:not([disabled]), textarea:not([disabled])")
  );
}

/** Enter in a window means its own default button, wherever the window stands in the form around it. */
function enterInWindow(event) {
  if (event.key !== "Enter" || event.isComposing || event.defaultPrevented) return;
  const field = event.target;
  if (!(field instanceof HTMLInputElement) || ["button", "submit", "reset"].includes(field.type)) return;
  const button = field.closest("dialog")?.querySelector("[data-dialog-default]");
  if (!button) return;
  event.preventDefault();
  button.click();
}

/* Unsaved changes */

function isChanged(form) {
  if (form.dataset.warnUnsaved === "changed") return true;
  return [...form.elements].some((control) => {
    if (control instanceof HTMLSelectElement) return selectIsChanged(control);
    if (!("defaultValue" in control) || control.type === "hidden") return false;
    if (control.type === "checkbox" || control.type === "radio") return control.checked !== control.defaultChecked;
    return control.value !== control.defaultValue;
  });
}

function selectIsChanged(select) {
  const options = [...select.options];
  // With no option marked in the page, the browser shows the first one.
  if (!select.multiple && !options.some((option) => option.defaultSelected)) return select.selectedIndex > 0;
  return options.some((option) => option.selected !== option.defaultSelected);
}

function warnUnsaved(event) {
  for (const form of document.querySelectorAll("form[data-warn-unsaved]")) {
    if (!("submitting" in form.dataset) && isChanged(form)) {
      event.preventDefault();
      // Browsers from before 2023 ask only if this is set.
      event.returnValue = true;
    }
  }
}

/* Sent once */

function submitOnce(event) {
  const form = event.target;
  if (event.defaultPrevented || "resubmit" in form.dataset) return;
  if ("submitting" in form.dataset) {
    event.preventDefault();
    return;
  }
  hidePasswords(form);
  if ((event.submitter?.formTarget || form.target) === "_blank") return;
  // Not `disabled`: a disabled button's name and value are left out of what is sent.
  form.dataset.submitting = "";
  window.setTimeout(() => release(form), RESUBMIT_AFTER_MS);
}

function release(form) {
  delete form.dataset.submitting;
}

/* Errors */

function goToField(event, link) {
  const field = named(link.hash);
  if (!field) return;
  event.preventDefault();
  field.focus({ preventScroll: true });
  // The label above the field is what people look for.
  (field.closest(".field") ?? field).scrollIntoView({ block: "nearest" });
}

/* Wiring */

function onClick(event) {
  const element = event.target instanceof Element ? event.target.closest("a, button") : null;
  if (!element) return;
  if (element.matches("[data-copy]")) copy(element);
  else if (element.matches("[data-password-toggle]")) togglePassword(element);
  else if (element.matches("[data-print]")) window.print();
  else if (element.matches("[data-populate-from]") && populate(element)) event.preventDefault();
  else if (element.matches("[data-error-summary] a")) goToField(event, element);
}

document.addEventListener("click", onClick);
document.addEventListener("keydown", enterInWindow);
document.addEventListener("submit", submitOnce);
window.addEventListener("beforeunload", warnUnsaved);
// A page that comes back through the Back button keeps its attributes.
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-submitting]").forEach(release));

// These do nothing without a script, so the page comes with them hidden.
for (const button of document.querySelectorAll("[data-copy], [data-password-toggle], [data-print]")) {
  button.hidden = false;
}
document.querySelectorAll("dialog[data-open]").forEach(openWindow);
if (!document.querySelector("dialog[data-open]")) document.querySelector("[data-error-heading]")?.focus();
