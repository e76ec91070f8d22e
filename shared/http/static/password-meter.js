/**
 * Says while a password is typed how long it is and what is still against it. Nothing is sent anywhere: the server has
 * its say when the form is sent, with lists and names that are not here. All words come from the template.
 */

/** After this pause in typing it is spoken, so that nobody hears a sentence for each letter. */
const SPEAK_AFTER_MS = 900;
/** As the server has it: a unit that repeats from the first character to the last. */
const LONGEST_UNIT = 7;
/** Shorter names are parts of too many words. */
const SHORTEST_WORD = 4;
/** So many in a row are no accident. */
const SHORTEST_ROW = 4;
const ROWS = ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop"];

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const wordsOf = (text) => fold(text).split(/[^\p{L}\p{N}]+/u).filter(Boolean);

function repeats(characters) {
  for (let unit = 1; unit <= Math.min(LONGEST_UNIT, Math.floor(characters.length / 2)); unit += 1) {
    if (characters.every((character, place) => place < unit || character === characters[place - unit])) return true;
  }
  return false;
}

/** How many characters stand in rows of the keyboard or of the alphabet, forwards or backwards. */
function inRows(text) {
  const pairs = new Set();
  for (const row of ROWS) {
    for (let place = 1; place < row.length; place += 1) {
      pairs.add(`>${row[place - 1]}${row[place]}`);
      pairs.add(`<${row[place]}${row[place - 1]}`);
    }
  }
  let counted = 0;
  for (const way of "><") {
    let run = 1;
    for (let place = 1; place <= text.length; place += 1) {
      if (place < text.length && pairs.has(way + text[place - 1] + text[place])) {
        run += 1;
        continue;
      }
      if (run >= SHORTEST_ROW) counted += run;
      run = 1;
    }
  }
  return counted;
}

/** The first of the person's own words that the password holds. */
function ownWord(text, leaveOut) {
  const squeezed = wordsOf(text).join("");
  for (const item of leaveOut) {
    const words = wordsOf(item);
    const found = words.find((word) => word.length >= SHORTEST_WORD && text.includes(word));
    if (found) return found;
    const joined = words.join("");
    if (words.length > 1 && joined.length >= SHORTEST_WORD && squeezed.includes(joined)) return item;
  }
  return null;
}

function against(password, characters, says) {
  const found = [];
  const text = fold(password);
  if (characters.length > Number(says.most)) found.push(says.saysLong.replace("{count}", characters.length));
  const word = ownWord(text, JSON.parse(says.leaveOut));
  if (word) found.push(says.saysWord.replace("{word}", word));
  if (repeats(characters)) found.push(says.saysRepeats);
  else if (inRows(text) * 2 > text.length) found.push(says.saysRows);
  return found;
}

function show(meter, field) {
  const says = meter.dataset;
  const least = Number(says.least);
  const characters = [...field.value.normalize("NFKC")];
  const reasons = against(field.value, characters, says);
  const long = characters.length >= least;
  // What is guessed first is not half as good as it is long.
  const reached = Math.min(characters.length, least);
  meter.querySelector("meter").value = reasons.length ? Math.min(reached, least / 2 - 1) : reached;
  const length = (long ? says.saysLength : says.saysShort).replace("{count}", characters.length);
  if (long && !reasons.length) reasons.push(says.saysGood);
  meter.querySelector("[data-meter-length]").textContent = length;
  meter.querySelector("[data-meter-against]").replaceChildren(
    ...reasons.map((reason) => Object.assign(document.createElement("li"), { textContent: reason })),
  );
  meter.hidden = characters.length === 0;
  return characters.length ? [length, ...reasons].join(" ") : "";
}

for (const meter of document.querySelectorAll("[data-password-meter]")) {
  const field = document.getElementById(meter.dataset.passwordMeter);
  const spoken = meter.querySelector("[data-meter-spoken]");
  let timer;
  field?.addEventListener("input", () => {
    const words = show(meter, field);
    window.clearTimeout(timer);
    timer = window.setTimeout(() => (spoken.textContent = words), SPEAK_AFTER_MS);
  });
  // A password manager, or the Back button, may have filled it in before this file came.
  if (field?.value) show(meter, field);
}
