// Hands the token of the link, and what is typed, on to the API.
"use strict";
const form = document.querySelector("form");
const again = document.querySelector("[data-again]");
const status = document.querySelector("[role=status]");
const token = new URLSearchParams(location.search).get("token");
if (token) {
  // Not to stay in the history of the browser.
  history.replaceState(null, "", location.pathname);
}
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button:not([type])");
  button.disabled = true;
  status.textContent = "…";
  const body = Object.fromEntries(new FormData(form));
  if (!("email" in body)) {
    body.token = token ?? "";
  }
  try {
    const answer = await fetch(form.dataset.call, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.ok) {
      form.hidden = true;
      status.textContent = form.dataset.done;
    } else {
      status.textContent = (await answer.json()).detail;
      button.disabled = false;
      // A link that is over stays so; a server that is busy does not.
      if (again && answer.status < 500 && answer.status !== 429) {
        form.hidden = true;
        again.hidden = false;
      }
    }
  } catch {
    status.textContent = "The server cannot be reached. Please try again.";
    button.disabled = false;
  }
});
again?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = again.querySelector("button");
  button.disabled = true;
  status.textContent = "…";
  try {
    const answer = await fetch(again.dataset.again, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(Object.fromEntries(new FormData(again))),
    });
    if (answer.ok) {
      again.hidden = true;
      status.textContent = "If an account with this address waits to be confirmed, a mail is on its way.";
    } else {
      status.textContent = (await answer.json()).detail;
    }
  } catch {
    status.textContent = "The server cannot be reached. Please try again.";
  }
  button.disabled = false;
});
const save = form.querySelector("[data-save]");
save?.addEventListener("click", async () => {
  save.disabled = true;
  status.textContent = "…";
  try {
    const answer = await fetch(save.dataset.save, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token: token ?? "" }),
    });
    if (answer.ok) {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await answer.blob());
      link.download = "marketplace-data.zip";
      link.click();
      status.textContent = "Saved.";
    } else {
      status.textContent = (await answer.json()).detail;
    }
  } catch {
    status.textContent = "The copy is not whole. Please try again.";
  }
  save.disabled = false;
});
const appeal = form.querySelector("[data-appeal]");
appeal?.addEventListener("click", async () => {
  appeal.disabled = true;
  status.textContent = "…";
  try {
    const answer = await fetch(appeal.dataset.appeal, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token: token ?? "", text: form.querySelector("textarea").value }),
    });
    status.textContent = answer.ok
      ? "Somebody else of us looks at it anew, and writes to you."
      : (await answer.json()).detail;
  } catch {
    status.textContent = "The server cannot be reached. Please try again.";
  }
  appeal.disabled = false;
});
