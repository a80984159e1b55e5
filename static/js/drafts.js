// Texts that are not sent yet, or sent and not known to have arrived. They live as long as the tab.
//
//   dispatch(NEW_DRAFT, text);   the form is sent; the draft stays until the page that answers it says
//   arrived(NEW_DRAFT);          that it was taken, or the form is shown again and
//   reopen(NEW_DRAFT);           it is a draft like any other
export const NEW_DRAFT = "draft:new";
const SENT = ":sent";

export function read(key) {
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

export function write(key, text) {
  try {
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
    sessionStorage.removeItem(key + SENT);
  } catch {
    // Storage is full or forbidden: the draft lives as long as the page.
  }
}

export function dispatch(key, text) {
  write(key, text);
  try {
    sessionStorage.setItem(key + SENT, "1");
  } catch {
    // As above.
  }
}

export function reopen(key) {
  write(key, read(key));
}

export function arrived(key) {
  if (read(key + SENT)) write(key, "");
}
