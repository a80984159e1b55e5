// A fragment that was asked for without a session would be the page to sign in: go there as a whole instead.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!new URL(event.detail.xhr.responseURL).pathname.startsWith("/accounts/login/")) return;
  event.preventDefault();
  location.reload();
});
