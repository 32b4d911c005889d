// Shows in the page what allauth's scripts could not do with a passkey; they only log it.
"use strict";
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const problem = document.getElementById("passkey-problem");
  const told = { NotAllowedError: problem.dataset.cancelled, InvalidStateError: problem.dataset.there };
  problem.textContent = told[event.detail.exception.name] ?? problem.dataset.failed;
  problem.hidden = false;
});
