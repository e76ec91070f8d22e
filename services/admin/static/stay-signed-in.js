/**
 * Asks people who have done nothing for a while whether they want to stay. The server decides when a session ends;
 * without this file it ends all the same, and the sign-in page says so. Where something was typed that is not stored,
 * the page stays as it is, so that nothing is lost.
 */

const notice = document.getElementById("stay-signed-in");
const warnAfter = Number(notice?.dataset.warnAfter) * 1000;
const leaveAfter = Number(notice?.dataset.leaveAfter) * 1000;
let timer;

function say(part) {
  for (const body of notice.querySelectorAll("[data-idle], [data-ended]")) body.hidden = !body.matches(part);
  // An open window hides everything below it, so the notice goes where it can be seen and heard.
  const dialog = document.querySelector("dialog[open]");
  if (dialog && !dialog.contains(notice)) dialog.prepend(notice);
  notice.hidden = false;
  notice.scrollIntoView({ block: "nearest" });
}

function wait() {
  notice.hidden = true;
  window.clearTimeout(timer);
  timer = window.setTimeout(warn, warnAfter);
}

function warn() {
  say("[data-idle]");
  timer = window.setTimeout(leave, leaveAfter);
}

async function ask() {
  try {
    return (await fetch(notice.dataset.url, { redirect: "manual", cache: "no-store" })).status === 204;
  } catch {
    // No network: the session may still be there when it comes back.
    return true;
  }
}

async function stay() {
  if (await ask()) wait();
  else leave();
}

function leave() {
  // A page with a form to fill in waits for its reader; any other shows what is not theirs to see any more.
  if (notice.querySelector("[data-ended]")) say("[data-ended]");
  // The page behind this address asks to sign in again, unless another window kept the session alive. Not reload():
  // after a form that was refused it would send the form again.
  else window.location.assign(window.location.pathname + window.location.search);
}

if (notice) {
  notice.querySelector("button").addEventListener("click", stay);
  wait();
}
