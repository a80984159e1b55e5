// Says beside what asked why a request of htmx was not answered. What was typed stays, and so does the page; the next
// answer takes the place of both.
document.addEventListener("htmx:responseError", ({ detail }) => say(detail.elt, reason(detail.xhr)));
document.addEventListener("htmx:sendError", ({ detail }) => say(detail.elt, "The server cannot be reached just now. Try again in a moment."));

function reason(xhr) {
  const isSentence = xhr.getResponseHeader("Content-Type")?.startsWith("text/plain");
  return isSentence ? xhr.responseText : "That did not work, and nothing was changed. Try again in a moment.";
}

function say(element, text) {
  let notice = element.querySelector(":scope > .request-problem");
  if (!notice) {
    notice = document.createElement("p");
    notice.className = "notice notice-warning request-problem";
    notice.setAttribute("role", "alert");
    element.prepend(notice);
  }
  if (notice.textContent !== text) notice.textContent = text;
}
