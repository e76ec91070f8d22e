/**
 * Takes the code from the part of the address that is never sent to a server, and out of the address, so that it stays
 * in no history.
 */

const field = document.querySelector("[data-code-from-address]");

function take() {
  const code = new URLSearchParams(window.location.hash.slice(1)).get("token");
  if (!field || !code) return;
  field.value = code;
  window.history.replaceState(null, "", window.location.pathname + window.location.search);
  document.getElementById("field-new-password")?.focus();
}

take();
// A newer link opened in the same window changes the address only: the page is not loaded anew.
window.addEventListener("hashchange", take);
