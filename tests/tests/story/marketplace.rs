//! The whole marketplace, from signing up to a published review, over HTTP and WebSocket: told on both engines, and every
//! answer on the way is the same on both.

use std::time::Duration;

use marketplace_tests::{
    Answer, Engine, Person, Server, Socket,
    market::{folds_to, gapless, id, offer, service},
    people::PASSWORD,
    pictures,
    socket::Heard,
    trace::Trace,
};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marketplace_story() {
    if !Engine::Postgres.is_here() {
        tell(Engine::Sqlite).await;
        return;
    }
    let (sqlite, postgres) = tokio::join!(tell(Engine::Sqlite), tell(Engine::Postgres));
    for (one, other) in sqlite.steps().iter().zip(postgres.steps()) {
        assert_eq!(one, other, "SQLite on the left, PostgreSQL on the right");
    }
    assert_eq!(sqlite.steps().len(), postgres.steps().len());
    assert!(sqlite.steps().len() > 80, "only {} answers were compared", sqlite.steps().len());
}

/// A story under way.
struct Story {
    app: Server,
    trace: Trace,
}

impl Story {
    /// Writes an answer down: its status and its body.
    fn note(&mut self, step: &str, answer: &Answer) -> Value {
        let body = answer.json();
        self.trace.note(&format!("{step} → {}", answer.status.as_u16()), &body);
        body
    }

    /// A success, written down.
    #[track_caller]
    fn ok(&mut self, step: &str, answer: &Answer) -> Value {
        answer.ok();
        self.note(step, answer)
    }

    /// A refusal, written down.
    #[track_caller]
    fn no(&mut self, step: &str, answer: &Answer, status: u16, code: &str) -> Value {
        answer.refused(status, code);
        self.note(step, answer)
    }

    async fn get(&mut self, who: &Person, path: &str) -> Value {
        let answer = who.get(path).await;
        self.ok(&format!("GET {}", path.split('?').next().unwrap()), &answer)
    }

    /// Everything that a socket is told up to and with a frame, written down.
    async fn hears(&mut self, whose: &str, socket: &mut Socket, last: impl Fn(&Value) -> bool) -> Value {
        loop {
            match socket.heard(Duration::from_secs(30)).await {
                Heard::Frame(frame) => {
                    self.trace.note(&format!("{whose} hears"), &frame);
                    if last(&frame) {
                        return frame;
                    }
                }
                other => panic!("{whose}: {other:?} after {:#?}", self.trace.steps().last()),
            }
        }
    }

    /// Both hear of a job's new state, and of the notice in their thread.
    async fn both_hear(&mut self, his: &mut Socket, hers: &mut Socket, status: &str) {
        for (whose, socket) in [("Jon", his), ("Ada", hers)] {
            self.hears_of_job(whose, socket, status).await;
        }
    }

    /// The frame of the job and that of its notice come together, in whichever order the log has them.
    async fn hears_of_job(&mut self, whose: &str, socket: &mut Socket, status: &str) {
        let (mut job, mut notice) = (false, false);
        while !(job && notice) {
            let frame = self.hears(whose, socket, |_| true).await;
            job |= frame["type"] == "job" && frame["job"]["status"] == status;
            notice |= frame["type"] == "message" && frame["message"]["job"]["to"] == status;
        }
    }

    async fn sign_up(&mut self, role: &str, name: &str) -> Person {
        let email = marketplace_tests::people::address(name);
        let body = json!({ "role": role, "email": email, "password": PASSWORD, "name": name });
        let answer = self.app.as_nobody().post("/v1/auth/signup", body).await;
        self.ok("sign up", &answer);
        let early = self.app.person(&email).await;
        let answer = early.post("/v1/services", service("Too early")).await;
        self.no("not before the address is confirmed", &answer, 403, "forbidden");
        let token = self.app.mail(&email, 1).await.token();
        let answer = self.app.as_nobody().post("/v1/auth/verify-email", json!({ "token": token })).await;
        self.ok("confirm", &answer);
        let person = self.app.person(&email).await;
        self.get(&person, "/v1/me").await;
        person
    }
}

async fn tell(engine: Engine) -> Trace {
    let app = Server::start(engine).await;
    let sam = app.as_staff("admin").await;
    let mut story = Story { app, trace: Trace::default() };
    let (ada, jon) = (story.sign_up("worker", "Ada Obi").await, story.sign_up("client", "Jon Lee").await);
    let service = offers_something(&mut story, &sam, &ada, &jon).await;
    let (thread, mut his, mut hers) = talk(&mut story, &ada, &jon, &service).await;
    let job = agree(&mut story, &ada, &jon, &thread, &mut his, &mut hers).await;
    work(&mut story, &ada, &jon, &job, &mut his, &mut hers).await;
    let messages = jon.messages(&thread).await;
    gapless(&messages);
    story.trace.note("the whole thread", &Value::Array(messages));
    review(&mut story, &sam, &ada, &jon, &job).await;
    for path in ["/v1/me/jobs", "/v1/threads", "/v1/me/reviews", "/v1/me/favorites"] {
        story.get(&jon, path).await;
    }
    for path in [format!("/v1/admin/jobs/{job}"), format!("/v1/admin/threads/{thread}"), "/v1/admin/reviews".to_owned()]
    {
        story.get(&sam, &path).await;
    }
    let read = sam.get(&format!("/v1/admin/threads/{thread}/messages?reason=dispute")).await;
    story.ok("staff read the thread for a reason", &read);
    let verified = sam.get("/v1/admin/audit/verify?from=1&limit=1000").await.ok();
    assert_eq!(verified["broken"], Value::Null);
    story.trace
}

/// Identity, profile, a service, and how it is found.
async fn offers_something(story: &mut Story, sam: &Person, ada: &Person, jon: &Person) -> String {
    let draft = story.ok("draft", &ada.post("/v1/services", service("Piano lessons for beginners")).await);
    let draft = id(&draft);
    let publish = format!("/v1/services/{draft}/publish");
    story.no("not before the check", &ada.post(&publish, json!({})).await, 403, "forbidden");
    let submitted = ada.submit(pictures::jpeg(1), pictures::jpeg(2)).await;
    let own = story.ok("submit", &submitted);
    let attempt = own["attempts"][0]["id"].as_str().unwrap().to_owned();
    let fence = sam.claim(&attempt).await;
    sam.decide(&attempt, "approve", json!({ "fence": fence })).await.ok();
    let profile = json!({
        "headline": "Pianist and teacher", "about": "Twenty years of it.", "location": "Lisbon", "latitude": 38.72,
        "longitude": -9.14, "hourly_rate": { "amount": 4_000, "currency": "EUR" }, "skills": ["piano", "solfège"],
        "languages": ["Português", "English"],
    });
    story.ok("profile", &ada.patch("/v1/me/worker-profile", profile).await);
    story.ok("his profile", &jon.patch("/v1/me/client-profile", json!({ "about": "I want to play again." })).await);
    let picture = Answer::of(
        ada.request(Method::PUT, "/v1/me/picture").header("content-type", "image/png").body(pictures::png(7)),
    )
    .await;
    story.ok("picture", &picture);
    // The one approval that nobody hurries: it can be undone for ten seconds.
    let public = format!("/v1/workers/{}", ada.id);
    let early = story.app.as_nobody().get(&public).await;
    story.no("not yet public", &early, 404, "not_found");
    for _ in 0..400 {
        if story.app.as_nobody().get(&public).await.status.is_success() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    story.get(ada, "/v1/me/kyc").await;
    story.get(jon, &public).await;
    story.ok("published", &ada.post(&publish, json!({})).await);
    for query in [
        "q=piano",
        "q=pian",
        "q=paino",
        "q=PIÁNO%20lessons",
        "q=obi",
        "q=trombone",
        "category=music",
        "category=moving",
        "location=lisbon",
        "available=true",
        "min_rating=4",
        "sort=newest",
        "sort=rating",
        "lat=38.7&lon=-9.1&radius_km=10&sort=distance",
        "lat=41.1&lon=-8.6&radius_km=50",
    ] {
        let found = story.app.as_nobody().get(&format!("/v1/services?{query}")).await;
        story.ok(&format!("search {query}"), &found);
    }
    story.get(jon, &format!("/v1/services/{draft}")).await;
    let found = jon.get("/v1/services?q=paino").await.ok();
    assert_eq!(found["items"][0]["id"], draft.as_str(), "search forgives a typo");
    let favorite = Answer::of(jon.request(Method::PUT, &format!("/v1/me/favorites/{}", ada.id))).await;
    story.ok("favourite", &favorite);
    draft
}

/// A thread by socket and by REST.
async fn talk(story: &mut Story, ada: &Person, jon: &Person, service: &str) -> (String, Socket, Socket) {
    let mut hers = Socket::connect(ada, None).await;
    let opened =
        jon.post("/v1/threads", json!({ "service_id": service, "content": "Hello! Do you teach adults?" })).await;
    let thread = id(&story.ok("open a thread", &opened));
    let again = jon.post("/v1/threads", json!({ "service_id": service })).await;
    assert_eq!(id(&story.ok("open it again", &again)), thread, "one thread a client and service");
    story.hears("Ada", &mut hers, |frame| frame["type"] == "message").await;
    let mut his = Socket::connect(jon, None).await;
    assert!(hers.send(&thread, "ada-1", "Gladly. Mondays or Thursdays?").await);
    // Both a message and an ack, in either order.
    let ack = hers.wait_for("ack", |frame| frame["type"] == "ack").await;
    story.trace.note("Ada's ack", &ack);
    story.hears("Jon", &mut his, |frame| frame["type"] == "message").await;
    story.ok("by REST", &jon.message(&thread, "jon-2", "Mondays, at five.").await);
    story.ok("the same again", &jon.message(&thread, "jon-2", "Mondays, at five.").await);
    story.no("another under its name", &jon.message(&thread, "jon-2", "Never").await, 409, "conflict");
    hers.wait_for("his answer", |frame| frame["message"]["seq"] == 3).await;
    his.wait_for("his own answer", |frame| frame["message"]["seq"] == 3).await;
    story.get(ada, &format!("/v1/threads/{thread}")).await;
    story.ok("read", &ada.post(&format!("/v1/threads/{thread}/read"), json!({ "seq": 3 })).await);
    story.hears("Jon", &mut his, |frame| frame["type"] == "read").await;
    hers.wait_for("her own pointer", |frame| frame["type"] == "read").await;
    his.say(json!({ "type": "typing", "thread_id": thread })).await;
    story.hears("Ada", &mut hers, |frame| frame["type"] == "typing").await;
    let file = story.ok("a file", &jon.attach(&thread, 5).await);
    let body = json!({ "client_msg_id": "jon-4", "content": "", "attachments": [file["id"]] });
    let sent = jon.post(&format!("/v1/threads/{thread}/messages"), body).await;
    story.ok("a message of a file", &sent);
    story.hears("Ada", &mut hers, |frame| frame["message"]["seq"] == 4).await;
    his.wait_for("his file", |frame| frame["message"]["seq"] == 4).await;
    let path = format!("/v1/threads/{thread}/attachments/{}", file["id"].as_str().unwrap());
    assert_eq!(ada.get(&path).await.body, pictures::png(5), "files come as they were sent");
    (thread, his, hers)
}

/// Offer, counter-offer, stale and good acceptance.
async fn agree(
    story: &mut Story,
    ada: &Person,
    jon: &Person,
    thread: &str,
    his: &mut Socket,
    hers: &mut Socket,
) -> String {
    let new = json!({ "thread_id": thread, "offer": offer(36_000) });
    let job = id(&story.ok("offer", &jon.post("/v1/jobs", new.clone()).await));
    story.both_hear(his, hers, "negotiating").await;
    story.no("a second job", &jon.post("/v1/jobs", new).await, 409, "conflict");
    story.no("one's own offer", &jon.act(&job, "accept", json!({ "revision": 1 })).await, 409, "conflict");
    let counter = json!({ "revision": 1, "offer": offer(42_000) });
    story.ok("counter-offer", &ada.act(&job, "offers", counter.clone()).await);
    story.both_hear(his, hers, "negotiating").await;
    story.no("the same again", &ada.act(&job, "offers", counter).await, 409, "conflict");
    story.no("the old offer", &jon.act(&job, "accept", json!({ "revision": 1 })).await, 409, "conflict");
    let early = ada.act(&job, "complete", json!({})).await;
    story.no("not before it is agreed", &early, 409, "conflict");
    story.ok("accept", &jon.act(&job, "accept", json!({ "revision": 2 })).await);
    story.both_hear(his, hers, "accepted").await;
    let stale = jon.request(Method::POST, &format!("/v1/jobs/{job}/cancel")).header("if-match", "\"1\"");
    let stale = Answer::of(stale.json(&json!({ "reason": "price" }))).await;
    story.no("with an old version in hand", &stale, 412, "precondition_failed");
    job
}

/// Completed, changes, completed again, finalized.
async fn work(story: &mut Story, ada: &Person, jon: &Person, job: &str, his: &mut Socket, hers: &mut Socket) {
    let by_client = jon.act(job, "complete", json!({})).await;
    story.no("only the worker completes", &by_client, 403, "forbidden");
    for round in 0..2 {
        story.ok("complete", &ada.act(job, "complete", json!({})).await);
        story.both_hear(his, hers, "completed").await;
        if round == 0 {
            let early = jon.act(job, "reviews", json!({ "rating": 5 })).await;
            story.no("no review before the end", &early, 409, "conflict");
            let more = jon.act(job, "request-changes", json!({ "comment": "Number ten is missing." })).await;
            story.ok("changes", &more);
            story.both_hear(his, hers, "accepted").await;
        }
    }
    story.ok("finalize", &jon.act(job, "finalize", json!({})).await);
    story.both_hear(his, hers, "finalized").await;
    story.no("finalize again", &jon.act(job, "finalize", json!({})).await, 409, "conflict");
    story.get(jon, &format!("/v1/jobs/{job}")).await;
    let history = ada.history(job).await;
    assert_eq!(folds_to(&history, "finalized"), 7);
    story.trace.note("history", &Value::Array(history));
}

/// What anybody sees of Ada's reviews.
async fn shown(story: &mut Story, ada: &Person, count: i64) {
    let nobody = story.app.as_nobody();
    for part in ["rating", "reviews"] {
        let answer = nobody.get(&format!("/v1/workers/{}/{part}", ada.id)).await;
        let body = story.ok(&format!("her {part}"), &answer);
        let seen = body["count"].as_i64().or(body["items"].as_array().map(|items| i64::try_from(items.len()).unwrap()));
        assert_eq!(seen, Some(count), "{body}");
    }
    let found = nobody.get("/v1/services?min_rating=4").await;
    let found = story.ok("found by rating", &found);
    assert_eq!(found["items"].as_array().unwrap().len(), usize::from(count > 0), "{found}");
}

/// Both review, double-blind; a reply, a flag, staff.
async fn review(story: &mut Story, sam: &Person, ada: &Person, jon: &Person, job: &str) {
    let his = jon.act(job, "reviews", json!({ "rating": 4, "text": "Patient, and always on time." })).await;
    let his = id(&story.ok("his review", &his));
    shown(story, ada, 0).await;
    let path = format!("/v1/reviews/{his}");
    story.no("she does not see it yet", &ada.get(&path).await, 404, "not_found");
    story.ok("he thinks better of it", &jon.patch(&path, json!({ "rating": 5 })).await);
    story.no("one each", &jon.act(job, "reviews", json!({ "rating": 1 })).await, 409, "conflict");
    story.ok("her review", &ada.act(job, "reviews", json!({ "rating": 5, "text": "Practises." })).await);
    shown(story, ada, 1).await;
    story.no("fixed from then on", &jon.patch(&path, json!({ "rating": 1 })).await, 409, "conflict");
    story.get(ada, &format!("/v1/jobs/{job}/reviews")).await;
    let reply = format!("{path}/reply");
    story.ok("reply", &ada.post(&reply, json!({ "text": "Thank you!" })).await);
    story.no("one reply", &ada.post(&reply, json!({ "text": "And again!" })).await, 409, "conflict");
    let flagged = ada.post(&format!("{path}/flag"), json!({ "reason": "other", "comment": "By mistake" })).await;
    story.ok("flag", &flagged);
    let listed = sam.get("/v1/admin/reviews?flagged=true").await;
    story.ok("staff see the flag", &listed);
    let staff = |verb: &str| format!("/v1/admin/reviews/{his}/{verb}");
    story.ok("staff remove", &sam.post(&staff("remove"), json!({ "reason": "off_topic" })).await);
    shown(story, ada, 0).await;
    story.ok("staff restore", &sam.post(&staff("restore"), json!({})).await);
    shown(story, ada, 1).await;
    story.ok("staff dismiss", &sam.post(&staff("dismiss"), json!({})).await);
    let listed = sam.get("/v1/admin/reviews?flagged=true").await;
    assert_eq!(story.ok("no flag is left", &listed)["items"], json!([]));
}
