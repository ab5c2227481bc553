//! Threads over HTTP.

use marketplace_core::base::permission::Role;
use serde_json::{Value, json};

use crate::{
    harness::{expect, problem, server, servers},
    socket::Talk,
};

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(300, 200).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[tokio::test]
async fn a_conversation() {
    for server in servers().await {
        let talk = Talk::new(&server.test).await;
        let (c, w) = (&talk.client_token, &talk.worker_token);
        let path = |rest: &str| format!("/v1/threads/{}{rest}", talk.thread);
        let thread = expect(server.get(&path("")).bearer_auth(c), 200).await;
        let open = json!({"service_id": thread["service_id"]});
        assert_eq!(expect(server.post("/v1/threads").bearer_auth(c).json(&open), 200).await["id"], thread["id"]);
        problem(server.post("/v1/threads").bearer_auth(w).json(&open), 403, "forbidden").await;

        let message = json!({"client_msg_id": "1", "content": "Hello"});
        let sent = expect(server.post(&path("/messages")).bearer_auth(c).json(&message), 201).await;
        assert_eq!(expect(server.post(&path("/messages")).bearer_auth(c).json(&message), 201).await, sent);
        let other = json!({"client_msg_id": "1", "content": "Goodbye"});
        let conflict = problem(server.post(&path("/messages")).bearer_auth(c).json(&other), 409, "conflict").await;
        assert_eq!(conflict["current"]["seq"], 1);

        let file = reqwest::multipart::Part::bytes(png()).file_name("../../etc/passwd");
        let form = reqwest::multipart::Form::new().part("file", file);
        let file = expect(server.post(&path("/attachments")).bearer_auth(w).multipart(form), 201).await;
        assert_eq!(file["media_type"], "image/png");
        let message = json!({"client_msg_id": "1", "attachments": [file["id"]]});
        let sent = expect(server.post(&path("/messages")).bearer_auth(w).json(&message), 201).await;
        assert_eq!(sent["attachments"][0], file);
        let file = path(&format!("/attachments/{}", file["id"].as_str().unwrap()));
        let answer = server.get(&file).bearer_auth(c).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &"image/png".parse().unwrap()));
        assert_eq!(answer.bytes().await.unwrap(), png());

        let listed = expect(server.get("/v1/threads").bearer_auth(c), 200).await;
        assert_eq!((&listed["items"][0]["unread"], &listed["items"][0]["last"]["attachments"]), (&json!(1), &json!(1)));
        let read = expect(server.post(&path("/read")).bearer_auth(c).json(&json!({"seq": 2})), 200).await;
        assert_eq!((&read["read_seq"], &read["unread"]), (&json!(2), &json!(0)));
        let page = expect(server.get(&path("/messages?after_seq=1&limit=5")).bearer_auth(c), 200).await;
        assert_eq!((page["items"].as_array().unwrap().len(), &page["more_before"]), (1, &json!(true)));

        let stranger = server.token(Role::Client).await;
        for request in [
            server.get(&path("")),
            server.get(&path("/messages")),
            server.get(&file),
            server.post(&path("/messages")).json(&message),
            server.post(&path("/read")).json(&json!({"seq": 0})),
        ] {
            problem(request.bearer_auth(&stranger), 404, "not_found").await;
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn what_is_too_large_or_empty_is_refused_and_never_stored() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let path = |rest: &str| format!("/v1/threads/{}{rest}", talk.thread);
    let send = |content: Value| {
        let message = json!({"client_msg_id": "1", "content": content});
        server.post(&path("/messages")).bearer_auth(&talk.client_token).json(&message)
    };
    problem(send("x".repeat(20 * 1024 * 1024).into()), 413, "too_large").await;
    for (content, pointer) in [("", "/content"), (" \n", "/content")] {
        let refused = problem(send(content.into()), 422, "invalid").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    problem(send("x".repeat(4_001).into()), 422, "invalid").await;
    problem(send(5.into()), 422, "invalid").await;
    let form = reqwest::multipart::Form::new().part("file", reqwest::multipart::Part::bytes(b"text".to_vec()));
    let upload = server.post(&path("/attachments")).bearer_auth(&talk.client_token);
    let refused = problem(upload.multipart(form), 415, "unsupported_media").await;
    assert_eq!(refused["errors"][0]["pointer"], "/file");
    for (name, twice) in [("other", false), ("file", true)] {
        let mut form = reqwest::multipart::Form::new().part(name, reqwest::multipart::Part::bytes(png()));
        if twice {
            form = form.part(name, reqwest::multipart::Part::bytes(png()));
        }
        let upload = server.post(&path("/attachments")).bearer_auth(&talk.client_token);
        problem(upload.multipart(form), 422, "invalid").await;
    }
    problem(server.get(&path("/messages?after_seq=1&before_seq=2")).bearer_auth(&talk.client_token), 422, "invalid")
        .await;
    problem(server.get("/v1/threads/nonsense").bearer_auth(&talk.client_token), 404, "not_found").await;
    let thread = expect(server.get(&path("")).bearer_auth(&talk.client_token), 200).await;
    assert_eq!(thread["last_seq"], 0);
    server.stop().await;
}

#[tokio::test]
async fn a_file_has_its_name_its_parts_and_an_address_for_pages() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let (c, w) = (&talk.client_token, &talk.worker_token);
    let path = |rest: &str| format!("/v1/threads/{}{rest}", talk.thread);
    // Both have a picture; the client's shows, as everybody sees clients.
    let picture = server.request(reqwest::Method::PUT, "/v1/me/picture").bearer_auth(c).body(png());
    let picture = expect(picture.header("content-type", "image/png"), 200).await;
    let thread = expect(server.get(&path("")).bearer_auth(w), 200).await;
    let address = thread["counterpart"]["picture"].as_str().unwrap();
    assert_eq!(address, format!("/v1/pictures/{}?size=thumb", picture["id"].as_str().unwrap()));
    assert_eq!(server.get(address).send().await.unwrap().status(), 200);
    assert_eq!(expect(server.get(&path("")).bearer_auth(c), 200).await["counterpart"].get("picture"), None);
    let offer = json!({"price": {"amount": 1_200, "currency": "JPY"}, "schedule": "Monday", "scope": "All of it"});
    let job = json!({"thread_id": talk.thread, "offer": offer});
    let job = expect(server.post("/v1/jobs").bearer_auth(c).json(&job), 201).await;
    assert_eq!((job["client"]["picture"].as_str(), job["worker"].get("picture")), (Some(address), None));
    let said = expect(server.get(&path("/messages")).bearer_auth(c), 200).await;
    assert_eq!(said["items"][0]["content"], "The client began a job with the offer 1: 1200 JPY.");

    let part = reqwest::multipart::Part::bytes(png()).file_name("Küche.png");
    let form = reqwest::multipart::Form::new().part("file", part);
    let file = expect(server.post(&path("/attachments")).bearer_auth(w).multipart(form), 201).await;
    assert_eq!(file["name"], "Küche.png");
    let message = json!({"client_msg_id": "1", "attachments": [file["id"]]});
    expect(server.post(&path("/messages")).bearer_auth(w).json(&message), 201).await;
    let file = path(&format!("/attachments/{}", file["id"].as_str().unwrap()));
    let get = |headers: &[(&'static str, &str)]| {
        let mut request = server.get(&file).bearer_auth(c);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        async move { request.send().await.unwrap() }
    };
    let whole = get(&[]).await;
    let header = |answer: &reqwest::Response, name: &str| {
        answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    assert_eq!(
        header(&whole, "content-disposition"),
        "inline; filename=\"K_che.png\"; filename*=UTF-8''K%C3%BCche.png"
    );
    assert_eq!(header(&whole, "cache-control"), "private, max-age=3600, must-revalidate");
    assert_eq!(header(&whole, "accept-ranges"), "bytes");
    let tag = header(&whole, "etag");
    assert_eq!(get(&[("if-none-match", &tag)]).await.status(), 304);
    let part = get(&[("range", "bytes=1-3")]).await;
    assert_eq!((part.status().as_u16(), header(&part, "content-range")), (206, format!("bytes 1-3/{}", png().len())));
    assert_eq!((header(&part, "etag"), part.bytes().await.unwrap().as_ref()), (tag.clone(), &b"PNG"[..]));
    let part = get(&[("range", "bytes=-4"), ("if-range", &tag)]).await;
    assert_eq!((part.status().as_u16(), part.bytes().await.unwrap()), (206, png()[png().len() - 4..].to_vec().into()));
    for (range, of) in [("bytes=1-3", "\"other\""), ("bytes=0-1,3-4", &*tag), ("lines=1-2", &*tag)] {
        let answer = get(&[("range", range), ("if-range", of)]).await;
        assert_eq!((answer.status().as_u16(), answer.bytes().await.unwrap()), (200, png().into()), "{range}");
    }
    let beyond = server.get(&file).bearer_auth(c).header("range", "bytes=999999-");
    assert_eq!(
        header(&beyond.try_clone().unwrap().send().await.unwrap(), "content-range"),
        format!("bytes */{}", png().len())
    );
    problem(beyond, 416, "invalid").await;
    let small = server.get(&format!("{file}?size=thumb")).bearer_auth(c).send().await.unwrap();
    assert_eq!((small.status().as_u16(), header(&small, "content-type").as_str()), (200, "image/jpeg"));

    // Nothing but the address is needed, and it is nobody else's.
    let signed = expect(server.post(&format!("{file}/address")).bearer_auth(c), 200).await;
    let signed = signed["address"].as_str().unwrap();
    let shown = server.get(signed).send().await.unwrap();
    assert_eq!((shown.status().as_u16(), header(&shown, "content-type").as_str()), (200, "image/png"));
    assert!(header(&shown, "cache-control").starts_with("private"));
    assert_eq!(shown.bytes().await.unwrap(), png());
    let small = server.get(&format!("{signed}&size=thumb")).send().await.unwrap();
    assert_eq!(header(&small, "content-type"), "image/jpeg");
    for bad in
        [signed.replace("signature=", "signature=A"), format!("{signed}A"), signed.replace("expires=", "expires=9")]
    {
        problem(server.get(&bad), 404, "not_found").await;
    }
    let stranger = server.token(Role::Client).await;
    problem(server.post(&format!("{file}/address")).bearer_auth(&stranger), 404, "not_found").await;
    server.stop().await;
}
