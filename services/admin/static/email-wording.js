/** The preview follows what is typed. Without a script the button Preview does it. */

const PAUSE_MS = 700;

function follow(form) {
  const button = form.querySelector("[data-preview]");
  const send = () => {
    const frame = document.getElementById(form.dataset.livePreview);
    // A frame that is new keeps no history, so the Back button still leaves the page.
    const fresh = frame.cloneNode(false);
    fresh.removeAttribute("src");
    frame.replaceWith(fresh);
    form.requestSubmit(button);
  };
  let timer;
  form.addEventListener("input", () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(send, PAUSE_MS);
  });
  // A form that goes somewhere else must not be overtaken by its preview.
  form.addEventListener("submit", () => window.clearTimeout(timer));
}

document.querySelectorAll("form[data-live-preview]").forEach(follow);
