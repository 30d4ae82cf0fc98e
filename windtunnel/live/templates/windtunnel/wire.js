// What is asked of the server. A change carries the token that the split was told with.
let token = null;

export class Refused extends Error {}

async function asked(path, options) {
  const answer = await fetch(`windtunnel/${path}`, { cache: "no-store", ...options }).catch(() => null);
  if (!answer) throw new Refused("Locust does not answer: was it stopped?");
  if (answer.redirected) { location.reload(); throw new Refused("Log in again."); }
  const told = await answer.json().catch(() => ({ message: `Locust answered with status ${answer.status}.` }));
  if (!answer.ok) throw new Refused(told.message);
  return told;
}

export const data = (since) => asked(`data?since=${since}`);
export const effect = (number) => asked(`effect/${number}`);

export async function split() {
  const told = await asked("split");
  token = told.token;
  return told;
}

export const change = (path, body) => asked(path, {
  method: "POST",
  headers: { "Content-Type": "application/json", "X-Windtunnel-Token": token ?? "" },
  body: JSON.stringify(body),
});
