/**
 * Asks people who have done nothing for a while whether they want to stay. The server decides when a session ends;
 * without this file it ends all the same, and the sign-in page says so.
 */

const notice = document.getElementById("stay-signed-in");
const warnAfter = Number(notice?.dataset.warnAfter) * 1000;
const leaveAfter = Number(notice?.dataset.leaveAfter) * 1000;
let timer;

function wait() {
  notice.hidden = true;
  window.clearTimeout(timer);
  timer = window.setTimeout(warn, warnAfter);
}

function warn() {
  notice.hidden = false;
  notice.scrollIntoView({ block: "nearest" });
  timer = window.setTimeout(leave, leaveAfter);
}

async function stay() {
  try {
    const answer = await fetch(notice.dataset.url, { redirect: "manual", cache: "no-store" });
    if (answer.status === 204) wait();
    else leave();
  } catch {
    // No network: the session may still be there when it comes back.
    wait();
  }
}

function leave() {
  // The page behind this address asks to sign in again, unless another window kept the session alive. Not reload():
  // after a form that was refused it would send the form again.
  window.location.assign(window.location.pathname + window.location.search);
}

if (notice) {
  notice.querySelector("button").addEventListener("click", stay);
  wait();
}
