// Requests to the server. A change carries the token that came with the split.
let token = null;

export class RequestError extends Error {}

async function request(path, options) {
  const answer = await fetch(`windtunnel/${path}`, { cache: "no-store", ...options }).catch(() => null);
  if (!answer) throw new RequestError("Locust does not answer: was it stopped?");
  if (answer.redirected) { location.reload(); throw new RequestError("Log in again."); }
  const body = await answer.json().catch(() => ({ message: `Locust answered with status ${answer.status}.` }));
  if (!answer.ok) throw new RequestError(body.message);
  return body;
}

export const data = (since) => request(`data?since=${since}`);
export const effect = (number) => request(`effect/${number}`);

export async function split() {
  const status = await request("split");
  token = status.token;
  return status;
}

export const change = (path, body) => request(path, {
  method: "POST",
  headers: { "Content-Type": "application/json", "X-Windtunnel-Token": token ?? "" },
  body: JSON.stringify(body),
});
