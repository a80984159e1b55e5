// A textarea that sends its form on Enter, grows with its text, and keeps a draft for as long as the tab lives. On a
// touch screen, whose keyboard has no Shift+Enter, an Enter is a new line and the button alone sends.
import { read, write } from "./drafts.js";

const MOST = 1_000_000; // characters; the server refuses more, and a paste must not be cut to fit

/** Makes `field` behave; returns a function that empties it. */
export function compose(field, { draftKey, initial }) {
  field.value = field.value || initial || read(draftKey);
  grow(field);
  field.addEventListener("input", () => {
    write(draftKey, field.value);
    grow(field);
  });
  field.addEventListener("keydown", (event) => {
    if (!isSending(event, matchMedia("(pointer: coarse)").matches)) return;
    event.preventDefault();
    field.form.requestSubmit();
  });
  return () => {
    field.value = "";
    write(draftKey, "");
    grow(field);
  };
}

/** Enter sends, Shift+Enter is a new line; an Enter that ends the choice of a character of a script does neither. */
export function isSending({ key, shiftKey, isComposing, keyCode }, isTouch = false) {
  return key === "Enter" && !isTouch && !shiftKey && !isComposing && keyCode !== 229;
}

/** Why a text is too long to be sent; empty where it is not. */
export function excess({ length }) {
  if (length <= MOST) return "";
  const [has, fit] = [length, MOST].map((count) => count.toLocaleString("en"));
  return `The message has ${has} characters, ${fit} fit: put long material into a file or a repository and name it.`;
}

function grow(field) {
  if (CSS.supports("field-sizing", "content")) return;
  const lines = field.value.split("\n").length;
  field.rows = Math.min(12, Math.max(Number((field.dataset.rows ??= field.rows)), lines));
}
