/**
 * Passkeys: has the browser make one or sign with one, and sends its answer with the form. Where the browser knows
 * none, everything about them stays hidden. All words come from attributes that the templates write.
 */

function toBytes(text) {
  const binary = window.atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function toText(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return window.btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const described = (credential) => ({ ...credential, id: toBytes(credential.id) });

async function create(options) {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      user: { ...options.user, id: toBytes(options.user.id) },
      excludeCredentials: options.excludeCredentials.map(described),
    },
  });
  return answer(made, {
    attestationObject: toText(made.response.attestationObject),
    // Older browsers do not say how the authenticator is reached.
    transports: made.response.getTransports?.() ?? [],
  });
}

async function get(options) {
  const found = await navigator.credentials.get({
    publicKey: { ...options, challenge: toBytes(options.challenge), allowCredentials: [] },
  });
  const { authenticatorData, signature, userHandle } = found.response;
  return answer(found, {
    authenticatorData: toText(authenticatorData),
    signature: toText(signature),
    userHandle: userHandle ? toText(userHandle) : null,
  });
}

function answer(credential, response) {
  return {
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    response: { clientDataJSON: toText(credential.response.clientDataJSON), ...response },
    clientExtensionResults: {},
  };
}

/** What to sign, from the server: made only when somebody presses the button. */
async function ask(form) {
  const reply = await fetch(form.dataset.question, { method: "POST", headers: { Accept: "application/json" } });
  if (!reply.ok) throw new Error(reply.status === 429 ? "busy" : "failed");
  const question = await reply.json();
  form.elements.handle.value = question.handle;
  return question.options;
}

function say(form, words) {
  const place = form.querySelector("[data-passkey-says]");
  // Only now: an alert with nothing to say is none.
  place.setAttribute("role", "alert");
  // Emptied first, or the same words said twice would be no change and stay silent.
  place.textContent = "";
  window.setTimeout(() => (place.textContent = words), 60);
}

function wordsFor(error, form) {
  // The person closed the browser's window, or let it time out.
  if (error.name === "NotAllowedError" || error.name === "AbortError") return form.dataset.cancelled;
  if (error.name === "InvalidStateError") return form.dataset.present;
  return error.message === "busy" ? form.dataset.busy : form.dataset.failed;
}

async function run(form) {
  try {
    const credential =
      form.dataset.passkey === "create" ? await create(JSON.parse(form.dataset.options)) : await get(await ask(form));
    form.elements.credential.value = JSON.stringify(credential);
    // Not requestSubmit(): that would come back here.
    form.submit();
  } catch (error) {
    release(form);
    say(form, wordsFor(error, form));
  }
}

function release(form) {
  delete form.dataset.running;
}

function onSubmit(event) {
  const form = event.currentTarget;
  event.preventDefault();
  if ("running" in form.dataset) return;
  form.dataset.running = "";
  run(form);
}

if (window.PublicKeyCredential) {
  for (const missing of document.querySelectorAll("[data-passkey-missing]")) missing.hidden = true;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    if (form.dataset.passkey !== "begin") form.addEventListener("submit", onSubmit);
  }
  // A page that comes back through the Back button keeps its attributes.
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-running]").forEach(release));
}
