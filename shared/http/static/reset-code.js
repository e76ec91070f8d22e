/**
 * Takes the code from the part of the address that is never sent to a server, and out of the address, so that it stays
 * in no history.
 */

const field = document.querySelector("[data-code-from-address]");
const code = new URLSearchParams(window.location.hash.slice(1)).get("token");

if (field && code) {
  field.value = code;
  window.history.replaceState(null, "", window.location.pathname + window.location.search);
  document.getElementById("field-new-password")?.focus();
}
