// Signing with a passkey: the challenge in the page is the digest of the statement that stands above the button.

const form = document.getElementById("sign");
const button = document.getElementById("sign-with-passkey");
const problem = document.getElementById("sign-problem");

const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function asked() {
  const { publicKey } = JSON.parse(document.getElementById("sign-options").textContent);
  const allowCredentials = publicKey.allowCredentials.map((one) => ({ ...one, id: toBytes(one.id) }));
  return { publicKey: { ...publicKey, challenge: toBytes(publicKey.challenge), allowCredentials } };
}

function answerOf({ id, rawId, type, response }) {
  const parts = { clientDataJSON: response.clientDataJSON, authenticatorData: response.authenticatorData, signature: response.signature };
  const encoded = Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, toText(part)]));
  return JSON.stringify({ id, rawId: toText(rawId), type, response: encoded, clientExtensionResults: {} });
}

button?.addEventListener("click", async () => {
  problem.hidden = true;
  button.disabled = true;
  try {
    document.getElementById("sign-answer").value = answerOf(await navigator.credentials.get(asked()));
    form.submit();
  } catch (error) {
    problem.textContent = error.name === "NotAllowedError" ? problem.dataset.cancelled : problem.dataset.failed;
    problem.hidden = false;
    button.disabled = false;
  }
});
