//! What a response looks like on the wire: its `ETag`, its compression, and whether the client has it already (RFC 9110 §8, §12,
//! §13). Handlers know nothing of it.

use std::io::Write as _;

use axum::{
    body::{Body, Bytes, HttpBody as _},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_RANGE,
            CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE, VARY,
        },
    },
    response::{IntoResponse as _, Response},
};
use http_body_util::BodyExt as _;
use marketplace_core::{
    base::rate::Class,
    error::{Error, ErrorCode},
};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use crate::{ctx::Ctx, problem::Problem};

/// Bodies up to this many bytes are not compressed: they fit in a packet or two as they are.
const SMALL: usize = 1024;
/// Larger ones are compressed on threads of their own, and only when one is free.
const QUICK: usize = 32 * 1024;
/// Larger ones are sent as they are.
const LARGE: usize = 4 * 1024 * 1024;
/// How hard brotli tries, of 11: smaller than the best of gzip, in less time.
const BROTLI: i32 = 4;
/// How hard gzip tries, of 9.
const GZIP: u32 = 5;

/// What the client said about the representation that it wants.
#[derive(Debug)]
pub(crate) struct Wish {
    is_read: bool,
    has: Option<String>,
    /// A part that is wanted, and the tag of which it must be a part.
    part: Option<(HeaderValue, Option<HeaderValue>)>,
    coding: Coding,
}

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Brotli,
}

impl Coding {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }

    /// Returns the one to use for `Accept-Encoding` (RFC 9110 §12.5.3): of those that are accepted most, the smallest.
    fn of(headers: &HeaderMap) -> Self {
        let (mut gzip, mut brotli, mut identity, mut any) = (None, None, None, None);
        for value in headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()) {
            for part in value.split(',') {
                let mut pieces = part.split(';').map(str::trim);
                let name = pieces.next().unwrap_or_default().to_ascii_lowercase();
                let weight = pieces
                    .find_map(|piece| piece.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q")));
                let weight = weight.map_or(1.0, |(_, weight)| weight.trim().parse::<f32>().unwrap_or(0.0));
                match name.as_str() {
                    "gzip" | "x-gzip" => gzip = Some(weight),
                    "br" => brotli = Some(weight),
                    "identity" => identity = Some(weight),
                    "*" => any = Some(weight),
                    _ => {}
                }
            }
        }
        let gzip = gzip.or(any).unwrap_or(0.0);
        let brotli = brotli.or(any).unwrap_or(0.0);
        // Whoever names it says how much it is wanted; otherwise it is what is left.
        let identity = identity.unwrap_or(0.0);
        match (gzip > 0.0 && gzip >= identity, brotli > 0.0 && brotli >= identity) {
            (_, true) if brotli >= gzip => Self::Brotli,
            (true, _) => Self::Gzip,
            (false, _) => Self::Identity,
        }
    }

    fn encode(self, bytes: &[u8]) -> Option<Vec<u8>> {
        // Texts become a fifth or so.
        let mut encoded = Vec::with_capacity(bytes.len() / 4);
        match self {
            Self::Identity => return None,
            Self::Gzip => {
                let mut gzip = flate2::write::GzEncoder::new(&mut encoded, flate2::Compression::new(GZIP));
                gzip.write_all(bytes).ok()?;
                gzip.finish().ok()?;
            }
            Self::Brotli => {
                let params = brotli::enc::BrotliEncoderParams {
                    quality: BROTLI,
                    size_hint: bytes.len(),
                    ..brotli::enc::BrotliEncoderParams::default()
                };
                brotli::BrotliCompress(&mut &*bytes, &mut encoded, &params).ok()?;
            }
        }
        Some(encoded)
    }
}

impl Wish {
    /// Reads the head of a request.
    pub fn of(method: &Method, headers: &HeaderMap, path: &str) -> Self {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        // The length of a compressed answer tells about secrets in it, when an attacker chooses other parts of it (BREACH).
        let has_secrets = ["/v1/auth/", "/v1/ws/", "/v1/admin/tokens", "/v1/me/kyc"];
        let coding = if has_secrets.iter().any(|start| path.starts_with(start)) {
            Coding::Identity
        } else {
            Coding::of(headers)
        };
        // Several lines are one list, and other bytes than ASCII are allowed in a tag.
        let has = headers.get_all(IF_NONE_MATCH).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
        let has: Vec<_> = has.filter(|_| is_read).collect();
        let has = (!has.is_empty()).then(|| has.join(","));
        let part = headers.get(RANGE).filter(|_| *method == Method::GET).cloned();
        let part = part.map(|part| (part, headers.get(IF_RANGE).cloned()));
        Self { is_read, has, part, coding }
    }

    /// Completes a response: tags it, compresses it, or says that the client has it.
    pub async fn fulfil(&self, response: &mut Response, ctx: &Ctx) {
        // A body that is made while it is sent has no tag, nor has a part of one.
        let Some(size) = response.body().size_hint().exact().and_then(|size| usize::try_from(size).ok()) else {
            return;
        };
        let is_tagged = response.status() == StatusCode::OK && (self.is_read || response.headers().contains_key(ETAG));
        let can_shrink = (SMALL..LARGE).contains(&size) && is_text(response.headers());
        if !is_tagged && !can_shrink || response.headers().contains_key(CONTENT_RANGE) {
            return;
        }
        let mut coding = if can_shrink { self.coding } else { Coding::Identity };
        let turn = if coding == Coding::Identity || size <= QUICK {
            None
        } else {
            let turn = ctx.compressions.clone().try_acquire_owned().ok();
            if turn.is_none() {
                coding = Coding::Identity;
            }
            turn
        };
        let Ok(body) = std::mem::take(response.body_mut()).collect().await else { return };
        let mut bytes = body.to_bytes();
        let headers = response.headers_mut();
        if can_shrink {
            headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        }
        if is_tagged {
            let tag = tag(headers.get(ETAG), &bytes, coding);
            let has_it = self.has.as_ref().is_some_and(|has| lists_weakly(has, &tag));
            let part = self.part.as_ref().filter(|(_, of)| of.as_ref().is_none_or(|of| *of == tag));
            let part =
                part.filter(|_| headers.contains_key(ACCEPT_RANGES)).map(|(part, _)| Part::of(part, bytes.len()));
            headers.insert(ETAG, tag);
            if !has_it && let Some(part) = part {
                return part.cut(bytes, response);
            }
            if has_it {
                for name in [CONTENT_TYPE, CONTENT_DISPOSITION] {
                    headers.remove(name);
                }
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                return;
            }
        }
        if let Some(name) = coding.name() {
            let whole = bytes.clone();
            let encoded = match turn {
                None => coding.encode(&whole),
                Some(turn) => {
                    let work = tokio::task::spawn_blocking(move || {
                        let _turn = turn;
                        coding.encode(&whole)
                    });
                    work.await.ok().flatten()
                }
            };
            // Writing to memory does not fail.
            if let Some(encoded) = encoded {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
                bytes = encoded.into();
            }
        }
        *response.body_mut() = Body::from(bytes);
    }
}

/// What `Range` asks for of a body (RFC 9110 §14). Several parts at once are not made: the whole is answered then, as for what is
/// not understood.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// From the first byte to the last, both included.
    Bytes(usize, usize),
    /// It begins beyond the end.
    Beyond,
}

impl Part {
    fn of(range: &HeaderValue, length: usize) -> Self {
        let asked = range.to_str().ok().and_then(|range| range.trim().strip_prefix("bytes="));
        let Some((first, last)) = asked.and_then(|asked| asked.trim().split_once('-')) else { return Self::Whole };
        let number = |digits: &str| {
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            // A larger number than fits is beyond every end.
            is_number.then(|| digits.parse::<usize>().unwrap_or(usize::MAX))
        };
        match (number(first), number(last)) {
            (Some(first), _) if first >= length && (last.is_empty() || number(last).is_some()) => Self::Beyond,
            (Some(first), None) if last.is_empty() => Self::Bytes(first, length - 1),
            (Some(first), Some(last)) if first <= last => Self::Bytes(first, last.min(length - 1)),
            (None, Some(0)) if first.is_empty() => Self::Beyond,
            (None, Some(_)) if first.is_empty() && length == 0 => Self::Beyond,
            (None, Some(count)) if first.is_empty() => Self::Bytes(length.saturating_sub(count), length - 1),
            _ => Self::Whole,
        }
    }

    /// Makes a response of the part.
    fn cut(self, bytes: Bytes, response: &mut Response) {
        let range = match self {
            Self::Whole => {
                *response.body_mut() = Body::from(bytes);
                return;
            }
            Self::Bytes(first, last) => {
                let range = format!("bytes {first}-{last}/{}", bytes.len());
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                *response.body_mut() = Body::from(bytes.slice(first..=last));
                range
            }
            Self::Beyond => {
                let text = format!("the file has {} bytes", bytes.len());
                let problem =
                    Problem::with_status(StatusCode::RANGE_NOT_SATISFIABLE, Error::new(ErrorCode::Invalid, text));
                *response = problem.into_response();
                format!("bytes */{}", bytes.len())
            }
        };
        if let Ok(range) = HeaderValue::try_from(range) {
            response.headers_mut().insert(CONTENT_RANGE, range);
        }
    }
}

/// Returns a strong tag over all bytes of a body and its coding. What the handler set is the version of the resource, which comes
/// first: `If-Match` compares that. The hash is a fast one, which nobody need be unable to make collide: two texts with one tag are
/// those of a writer who wants theirs to be seen late, for as long as a cache keeps it.
fn tag(version: Option<&HeaderValue>, bytes: &Bytes, coding: Coding) -> HeaderValue {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let version = version.and_then(|tag| tag.to_str().ok()).map(|tag| tag.trim_matches('"')).unwrap_or_default();
    let hash = xxh3_128(bytes).to_be_bytes();
    let mut text = String::with_capacity(48);
    text.push('"');
    if !version.is_empty() {
        text.push_str(version);
        text.push('-');
    }
    URL_SAFE_NO_PAD.encode_string(hash.first_chunk::<15>().unwrap_or(&[0; 15]), &mut text);
    if let Some(name) = coding.name() {
        text.push('.');
        text.push_str(name);
    }
    text.push('"');
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Returns whether `If-None-Match` names a tag, compared weakly (RFC 9110 §8.8.3.2). No tag of ours has a comma in it.
fn lists_weakly(header: &str, tag: &HeaderValue) -> bool {
    header.trim() == "*"
        || header.split(',').map(str::trim).any(|listed| listed.strip_prefix("W/").unwrap_or(listed) == tag)
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_encoded = headers.contains_key(CONTENT_ENCODING);
    !is_encoded
        && (kind.starts_with("text/")
            || kind.ends_with("json")
            || matches!(kind, "application/javascript" | "application/yaml" | "image/svg+xml"))
}

/// Sets how a response may be stored, unless its handler did. Errors, changes, secrets and documents are not.
pub(crate) fn set_cache_control(response: &mut Response, method: &Method, path: &str, class: Option<Class>) {
    const NEVER: HeaderValue = HeaderValue::from_static("no-store");
    // Short, because what is hidden from the public must disappear from caches too.
    const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=30, must-revalidate");
    const CONSTANT: HeaderValue = HeaderValue::from_static("public, max-age=300, must-revalidate");
    const OWN: HeaderValue = HeaderValue::from_static("private, no-cache");
    let is_shown = matches!(response.status(), StatusCode::OK | StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT)
        && matches!(*method, Method::GET | Method::HEAD);
    let is_static = path == "/openapi.json" || path.starts_with("/docs");
    let policy = match (path.starts_with("/v1/"), is_shown, class) {
        (false, true, _) if is_static => CONSTANT,
        (false, ..) => return,
        (true, true, Some(_)) if path == "/v1/categories" => CONSTANT,
        (true, true, Some(_)) => PUBLIC,
        (true, true, None)
            if !["/v1/admin/", "/v1/auth/", "/v1/me/export"].iter().any(|start| path.starts_with(start)) =>
        {
            OWN
        }
        (true, ..) => NEVER,
    };
    response.headers_mut().entry(CACHE_CONTROL).or_insert(policy);
}

/// Returns where the thing is that a request to `path` created (RFC 9110 §15.3.2); `body` is its representation.
pub(crate) fn location(path: &str, body: &[u8]) -> Option<HeaderValue> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let item = body.get("item").unwrap_or(&body);
    // Some are in an object of their own, beside what comes with them.
    let within = ["user", "token"].iter().filter_map(|name| item.get(name)).find(|part| part.get("id").is_some());
    let made = within.filter(|_| item.get("id").is_none()).unwrap_or(item);
    let id = made.get("id").and_then(Value::as_str);
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let place = match (parts.as_slice(), id) {
        (["v1", "services"], Some(id)) => format!("/v1/me/services/{id}"),
        (["v1", "jobs", _, "reviews"], Some(id)) => format!("/v1/reviews/{id}"),
        // A message has no address of its own, but a page of one; staff state a reason for that.
        (["v1", "threads", thread, "messages"], Some(_)) => {
            let before = made.get("seq")?.as_i64()?.checked_sub(1)?;
            format!("/v1/threads/{thread}/messages?after_seq={before}&limit=1")
        }
        (["v1", "admin", "threads", thread, "notice"], Some(_)) => format!("/v1/admin/threads/{thread}"),
        // These are only read in their list.
        (["v1", "me", "kyc"], _) | (["v1", "admin", "tokens"] | ["v1", "admin", "users", _, "notes"], Some(_)) => {
            path.to_owned()
        }
        (_, Some(id)) => format!("{path}/{id}"),
        (_, None) => return None,
    };
    HeaderValue::try_from(place).ok()
}

/// Returns the header that says which codings of a request's body are taken (RFC 7694).
pub(crate) fn taken_codings() -> (HeaderName, HeaderValue) {
    (ACCEPT_ENCODING, HeaderValue::from_static("identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coding_is_the_one_that_is_wanted_most() {
        let of = |accepts: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, accepts.parse().unwrap());
            Coding::of(&headers)
        };
        assert_eq!(Coding::of(&HeaderMap::new()), Coding::Identity);
        for (accepts, coding) in [
            ("gzip, deflate, br, zstd", Coding::Brotli),
            ("gzip", Coding::Gzip),
            ("GZIP;q=0.5", Coding::Gzip),
            ("br;q=0.1, gzip;q=0.9", Coding::Gzip),
            ("br;q=0, gzip", Coding::Gzip),
            ("br; q=0, *", Coding::Gzip),
            ("*", Coding::Brotli),
            ("*;q=0", Coding::Identity),
            ("identity", Coding::Identity),
            ("identity;q=1, br;q=0.5", Coding::Identity),
            ("gzip;q=0.5, identity;q=0.9", Coding::Identity),
            ("gzip;q=0.5, identity;q=0.5", Coding::Gzip),
            ("gzip; q = 0", Coding::Identity),
            ("gzip;q=0", Coding::Identity),
            ("gzip;q=nonsense", Coding::Identity),
            ("", Coding::Identity),
        ] {
            assert_eq!(of(accepts), coding, "{accepts}");
        }
    }

    #[test]
    fn tags_differ_by_version_content_and_coding() {
        let version = HeaderValue::from_static("\"7\"");
        let body = |text: &'static str| Bytes::from_static(text.as_bytes());
        let one = tag(Some(&version), &body("a"), Coding::Identity);
        assert!(one.to_str().unwrap().starts_with("\"7-"), "{one:?}");
        for other in [
            tag(None, &body("a"), Coding::Identity),
            tag(Some(&version), &body("b"), Coding::Identity),
            tag(Some(&version), &body("a"), Coding::Brotli),
            tag(Some(&version), &body("a"), Coding::Gzip),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(one, tag(Some(&version), &body("a"), Coding::Identity));
        let tag = one.to_str().unwrap();
        for (list, has) in [
            (tag.to_owned(), true),
            (format!("W/{tag}"), true),
            (format!("\"x\", W/{tag} ,\"y\""), true),
            ("*".to_owned(), true),
            ("\"x\"".to_owned(), false),
            (tag.trim_matches('"').to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(lists_weakly(&list, &one), has, "{list}");
        }
    }

    #[test]
    fn parts_are_cut_out_of_the_whole() {
        let of = |range: &str| Part::of(&range.parse().unwrap(), 10);
        for (range, part) in [
            ("bytes=0-3", Part::Bytes(0, 3)),
            ("bytes=4-", Part::Bytes(4, 9)),
            ("bytes=9-9", Part::Bytes(9, 9)),
            ("bytes=0-99999999999999999999999", Part::Bytes(0, 9)),
            ("bytes=-3", Part::Bytes(7, 9)),
            ("bytes=-30", Part::Bytes(0, 9)),
            ("bytes=10-", Part::Beyond),
            ("bytes=10-20", Part::Beyond),
            ("bytes=99999999999999999999999-", Part::Beyond),
            ("bytes=-0", Part::Beyond),
            ("bytes=3-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("lines=0-1", Part::Whole),
        ] {
            assert_eq!(of(range), part, "{range}");
        }
        assert_eq!(Part::of(&"bytes=0-".parse().unwrap(), 0), Part::Beyond);
        assert_eq!(Part::of(&"bytes=-5".parse().unwrap(), 0), Part::Beyond);
    }

    #[test]
    fn what_is_created_has_a_place() {
        let place = |path: &str, body: &str| location(path, body.as_bytes()).map(|at| at.to_str().unwrap().to_owned());
        for (path, body, at) in [
            ("/v1/services", r#"{"id":"5","title":"x"}"#, "/v1/me/services/5"),
            ("/v1/jobs", r#"{"id":"5"}"#, "/v1/jobs/5"),
            ("/v1/jobs/7/reviews", r#"{"id":"5"}"#, "/v1/reviews/5"),
            ("/v1/threads/7/messages", r#"{"id":"5","seq":3}"#, "/v1/threads/7/messages?after_seq=2&limit=1"),
            ("/v1/admin/threads/7/notice", r#"{"item":{"id":"5","seq":3}}"#, "/v1/admin/threads/7"),
            ("/v1/threads/7/attachments", r#"{"id":"5"}"#, "/v1/threads/7/attachments/5"),
            ("/v1/admin/users", r#"{"changed":true,"item":{"id":"5"}}"#, "/v1/admin/users/5"),
            ("/v1/admin/users", r#"{"changed":true,"item":{"user":{"id":"5"},"notes":0}}"#, "/v1/admin/users/5"),
            ("/v1/admin/tokens", r#"{"item":{"token":{"id":"5"},"secret":"x"}}"#, "/v1/admin/tokens"),
            ("/v1/admin/users/7/notes", r#"{"item":{"id":"5"}}"#, "/v1/admin/users/7/notes"),
            ("/v1/me/kyc", r#"{"status":"pending"}"#, "/v1/me/kyc"),
        ] {
            assert_eq!(place(path, body).as_deref(), Some(at));
        }
        assert_eq!(place("/v1/x", "nonsense"), None);
    }
}
