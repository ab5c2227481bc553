// The story of the marketplace, with openapi-typescript and openapi-fetch.
import createClient from "openapi-fetch";
import type { paths } from "./schema";
import { address, adminToken, baseUrl, check, mailedToken, password, pause, picture } from "./world";

const as = (token?: string) =>
  createClient<paths>({ baseUrl, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });

/** Returns the data of a success. */
function ok<T>(answer: { data?: T; error?: { detail: string }; response: Response }): T {
  if (answer.data === undefined) {
    throw new Error(`${answer.response.url}: ${answer.response.status} ${answer.error?.detail}`);
  }
  return answer.data;
}

/** Checks that a call without an answer succeeded. */
function done(answer: { error?: { detail: string }; response: Response }): void {
  check(answer.response.ok, `${answer.response.url}: ${answer.response.status} ${answer.error?.detail}`);
}

/** Sends a form as one. */
function form(body: Record<string, string | Blob>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(body)) data.append(name, value);
  return data;
}

async function person(role: "client" | "worker", name: string) {
  const email = address(name);
  const nobody = as();
  done(await nobody.POST("/v1/auth/signup", { body: { role, email, password, name } }));
  done(await nobody.POST("/v1/auth/verify-email", { body: { token: await mailedToken(email) } }));
  const session = ok(await nobody.POST("/v1/auth/login", { body: { email, password } }));
  check("access_token" in session, "tokens were asked for");
  return as(session.access_token);
}

const worker = await person("worker", "ada");
const client = await person("client", "jon");
const admin = as(adminToken);

// A profile: what is left out stays, and an empty patch changes nothing.
let profile = ok(await worker.PATCH("/v1/me/worker-profile", { body: { headline: "Piano teacher", skills: ["piano"] } }));
const { version } = profile;
profile = ok(await worker.PATCH("/v1/me/worker-profile", { body: {} }));
check(profile.version === version && profile.skills[0] === "piano", "an empty patch changes nothing");
const face = ok(
  await worker.PUT("/v1/me/picture", {
    body: picture,
    bodySerializer: (body) => body,
    headers: { "content-type": "application/octet-stream" },
  }),
);

// Who one is.
ok(
  await worker.POST("/v1/me/kyc", {
    body: { document_type: "passport", document: picture, selfie: picture },
    bodySerializer: (body) => form({ ...body }),
  }),
);
const me = ok(await worker.GET("/v1/me"));
const queue = ok(await admin.GET("/v1/admin/kyc", { params: { query: { user_id: me.id } } }));
const attempt = queue.items[0];
check(attempt !== undefined, "the attempt waits");
const claimed = ok(await admin.POST("/v1/admin/kyc/{id}/claim", { params: { path: { id: attempt.id } } }));
check(claimed.changed, "it is claimed");
const decided = ok(await admin.POST("/v1/admin/kyc/{id}/approve", { params: { path: { id: attempt.id } }, body: {} }));
check(decided.item.attempt.status === "approved", "it is approved");
for (let tries = 0; ok(await worker.GET("/v1/me")).kyc_status !== "approved"; tries += 1) {
  check(tries < 100, "the approval takes effect");
  await pause(300);
}
const seen = ok(
  await client.GET("/v1/pictures/{id}", { params: { path: { id: face.id }, query: { size: "thumb" } }, parseAs: "blob" }),
);
check(seen.size > 100, "a picture has bytes");

// A service.
const draft = ok(
  await worker.POST("/v1/services", {
    body: { title: "Piano lessons", category: "music", price: { amount: 4_000, currency: "EUR" }, location: "Lisbon" },
    params: { header: { "idempotency-key": crypto.randomUUID() } },
  }),
);
const path = { id: draft.id };
let service = ok(await worker.PATCH("/v1/services/{id}", { params: { path }, body: { title: "Piano for beginners" } }));
check(service.price?.amount === 4_000 && service.location === "Lisbon", "what is left out stays");
service = ok(await worker.PATCH("/v1/services/{id}", { params: { path }, body: { location: null } }));
check(service.location === "", "null takes away");
ok(await worker.POST("/v1/services/{id}/publish", { params: { path } }));
const found = ok(await as().GET("/v1/services", { params: { query: { q: "piano", category: "music", limit: 200 } } }));
check(found.items.some((card) => card.id === draft.id), "the service is found");
done(await client.PUT("/v1/me/favorites/{id}", { params: { path: { id: me.id } } }));
const favorites = ok(await client.GET("/v1/me/favorites"));
check(favorites.items[0]?.headline === "Piano teacher", "the worker is a favourite");

// A conversation.
const thread = ok(await client.POST("/v1/threads", { body: { service_id: draft.id } }));
const inThread = { path: { id: thread.id } };
const file = ok(
  await client.POST("/v1/threads/{id}/attachments", {
    params: inThread,
    body: { file: picture },
    bodySerializer: (body) => form({ ...body }),
  }),
);
const message = ok(
  await client.POST("/v1/threads/{id}/messages", {
    params: inThread,
    body: { client_msg_id: "1", content: "Good morning", attachments: [file.id] },
  }),
);
const messages = ok(await worker.GET("/v1/threads/{id}/messages", { params: inThread }));
check(messages.items.some((one) => one.content === "Good morning"), "the message arrives");
ok(await worker.POST("/v1/threads/{id}/read", { params: inThread, body: { seq: message.seq } }));
const bytes = ok(
  await worker.GET("/v1/threads/{id}/attachments/{attachment_id}", {
    params: { path: { id: thread.id, attachment_id: file.id } },
    parseAs: "blob",
  }),
);
check(bytes.size > 100, "the file has bytes");

// A job.
const offer = { price: { amount: 4_000, currency: "EUR" }, schedule: "Mondays at five", scope: "Ten lessons" };
const job = ok(await client.POST("/v1/jobs", { body: { thread_id: thread.id, offer } }));
const ofJob = { path: { id: job.id } };
const better = { ...offer, price: { amount: 4_500, currency: "EUR" } };
ok(await worker.POST("/v1/jobs/{id}/offers", { params: ofJob, body: { revision: 1, offer: better } }));
ok(await client.POST("/v1/jobs/{id}/accept", { params: ofJob, body: { revision: 2 } }));
ok(await worker.POST("/v1/jobs/{id}/complete", { params: ofJob }));
ok(await client.POST("/v1/jobs/{id}/request-changes", { params: ofJob, body: { comment: "One more" } }));
ok(await worker.POST("/v1/jobs/{id}/complete", { params: ofJob }));
const ended = ok(await client.POST("/v1/jobs/{id}/finalize", { params: ofJob }));
check(ended.status === "finalized" && ended.worker.id === me.id, "the job is over");
const history = ok(await client.GET("/v1/jobs/{id}/history", { params: ofJob }));
check(history.items.length === 7, `seven steps, not ${history.items.length}`);

// What the two say of each other.
const review = ok(await client.POST("/v1/jobs/{id}/reviews", { params: ofJob, body: { rating: 4, text: "Fine" } }));
ok(await client.PATCH("/v1/reviews/{id}", { params: { path: { id: review.id } }, body: { rating: 5 } }));
ok(await worker.POST("/v1/jobs/{id}/reviews", { params: ofJob, body: { rating: 5 } }));
ok(await worker.POST("/v1/reviews/{id}/reply", { params: { path: { id: review.id } }, body: { text: "Thank you" } }));
const rating = ok(await as().GET("/v1/workers/{id}/rating", { params: { path: { id: me.id } } }));
check(rating.average === 5 && rating.count === 1, "the rating counts");

// A refusal says what it is.
const refused = await as().GET("/v1/clients/{id}", { params: { path: { id: crypto.randomUUID() } } });
check(refused.error?.code === "not_found", "there is no such client");
done(await worker.POST("/v1/auth/logout"));
console.log("openapi-fetch: the whole story");
