// The story of the marketplace, with @hey-api/openapi-ts.
import * as api from "./hey-api-client";
import { createClient } from "./hey-api-client/client";
import { address, adminToken, baseUrl, check, mailedToken, password, pause, picture } from "./world";

const as = (auth?: string) => createClient({ baseUrl, throwOnError: true, ...(auth === undefined ? {} : { auth }) });
const nobody = { client: as(), throwOnError: true } as const;

async function person(role: "client" | "worker", name: string) {
  const email = address(name);
  await api.signUp({ ...nobody, body: { role, email, password, name } });
  await api.verifyEmail({ ...nobody, body: { token: await mailedToken(email) } });
  const { data } = await api.logIn({ ...nobody, body: { email, password } });
  check("access_token" in data, "tokens were asked for");
  return { client: as(data.access_token), throwOnError: true } as const;
}

const worker = await person("worker", "ada");
const client = await person("client", "jon");
const admin = { client: as(adminToken), throwOnError: true } as const;

// A profile: what is left out stays, and an empty patch changes nothing.
const profile = await api.updateWorkerProfile({ ...worker, body: { headline: "Piano teacher", skills: ["piano"] } });
const same = await api.updateWorkerProfile({ ...worker, body: {} });
check(same.data.version === profile.data.version && same.data.skills[0] === "piano", "an empty patch changes nothing");
const face = await api.setPicture({ ...worker, body: picture });

// Who one is.
await api.submitKyc({ ...worker, body: { document_type: "passport", document: picture, selfie: picture } });
const { data: me } = await api.getMe(worker);
const queue = await api.listAttempts({ ...admin, query: { user_id: me.id } });
const attempt = queue.data.items[0];
check(attempt !== undefined, "the attempt waits");
const claimed = await api.claimAttempt({ ...admin, path: { id: attempt.id } });
check(claimed.data.changed, "it is claimed");
const decided = await api.approveAttempt({ ...admin, path: { id: attempt.id }, body: {} });
check(decided.data.item.attempt.status === "approved", "it is approved");
for (let tries = 0; (await api.getMe(worker)).data.kyc_status !== "approved"; tries += 1) {
  check(tries < 100, "the approval takes effect");
  await pause(300);
}
const seen = await api.getPicture({ ...client, path: { id: face.data.id }, query: { size: "thumb" } });
check(seen.data.size > 100, "a picture has bytes");

// A service.
const { data: draft } = await api.createService({
  ...worker,
  body: { title: "Piano lessons", category: "music", price: { amount: 4_000, currency: "EUR" }, location: "Lisbon" },
  headers: { "idempotency-key": crypto.randomUUID() },
});
const path = { id: draft.id };
let service = await api.updateService({ ...worker, path, body: { title: "Piano for beginners" } });
check(service.data.price?.amount === 4_000 && service.data.location === "Lisbon", "what is left out stays");
service = await api.updateService({ ...worker, path, body: { location: null } });
check(service.data.location === "", "null takes away");
await api.publishService({ ...worker, path });
const found = await api.listServices({ ...nobody, query: { q: "piano", category: "music", limit: 200 } });
check(found.data.items.some((card) => card.id === draft.id), "the service is found");
await api.addFavorite({ ...client, path: { id: me.id } });
const favorites = await api.listFavorites(client);
check(favorites.data.items[0]?.headline === "Piano teacher", "the worker is a favourite");

// A conversation.
const { data: thread } = await api.openThread({ ...client, body: { service_id: draft.id } });
const inThread = { id: thread.id };
const { data: file } = await api.uploadAttachment({ ...client, path: inThread, body: { file: picture } });
const { data: message } = await api.sendMessage({
  ...client,
  path: inThread,
  body: { client_msg_id: "1", content: "Good morning", attachments: [file.id] },
});
const messages = await api.listMessages({ ...worker, path: inThread });
check(messages.data.items.some((one) => one.content === "Good morning"), "the message arrives");
await api.markThreadRead({ ...worker, path: inThread, body: { seq: message.seq } });
const bytes = await api.downloadAttachment({ ...worker, path: { id: thread.id, attachment_id: file.id } });
check(bytes.data.size > 100, "the file has bytes");

// A job.
const offer = { price: { amount: 4_000, currency: "EUR" }, schedule: "Mondays at five", scope: "Ten lessons" };
const { data: job } = await api.createJob({ ...client, body: { thread_id: thread.id, offer } });
const ofJob = { id: job.id };
const better = { ...offer, price: { amount: 4_500, currency: "EUR" } };
await api.makeOffer({ ...worker, path: ofJob, body: { revision: 1, offer: better } });
await api.acceptOffer({ ...client, path: ofJob, body: { revision: 2 } });
await api.completeJob({ ...worker, path: ofJob });
await api.requestJobChanges({ ...client, path: ofJob, body: { comment: "One more" } });
await api.completeJob({ ...worker, path: ofJob });
const { data: ended } = await api.finalizeJob({ ...client, path: ofJob });
check(ended.status === "finalized" && ended.worker.id === me.id, "the job is over");
const history = await api.listJobHistory({ ...client, path: ofJob });
check(history.data.items.length === 7, `seven steps, not ${history.data.items.length}`);

// What the two say of each other.
const { data: review } = await api.createReview({ ...client, path: ofJob, body: { rating: 4, text: "Fine" } });
await api.updateReview({ ...client, path: { id: review.id }, body: { rating: 5 } });
await api.createReview({ ...worker, path: ofJob, body: { rating: 5 } });
await api.replyToReview({ ...worker, path: { id: review.id }, body: { text: "Thank you" } });
const rating = await api.getWorkerRating({ ...nobody, path: { id: me.id } });
check(rating.data.average === 5 && rating.data.count === 1, "the rating counts");

// A refusal says what it is.
const refused = await api.getClient({ client: as(), throwOnError: false, path: { id: crypto.randomUUID() } });
check(refused.error?.code === "not_found", "there is no such client");
await api.logOut(worker);
console.log("hey-api: the whole story");
