//! JSON bodies, and the headers of changes.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{
        HeaderMap,
        header::{CONTENT_TYPE, IF_MATCH},
        request::Parts,
    },
};
use marketplace_core::{
    error::{Error, ErrorCode, FieldError},
    operation::Operation,
};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::{body, ctx::Ctx, problem::Problem};

/// A JSON body. An empty one stands for `{}`.
#[derive(Debug)]
pub(crate) struct Input<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Ctx> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _ctx: &Ctx) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read_json(&parts.headers, body).await?;
        json(&bytes).map(Self)
    }
}

/// Returns the bytes of a JSON body.
pub(crate) async fn read_json(headers: &HeaderMap, body: axum::body::Body) -> Result<Bytes, Problem> {
    let bytes = body::whole(body).await?;
    if !bytes.is_empty() && !is_json(headers) {
        return Err(Error::new(ErrorCode::UnsupportedMedia, "the body must be application/json").into());
    }
    Ok(bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Deserializes a value; text that is not JSON is 400, JSON that does not fit the type is 422 with a pointer.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { bytes };
    if has_escaped_nul(bytes) {
        return Err(Error::new(ErrorCode::Invalid, "texts must not have NUL characters (\\u0000)").into());
    }
    // serde would also fill a struct from a list, by position.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(|error| malformed(&error))?;
        return Err(Error::new(ErrorCode::Invalid, "the body must be a JSON object").into());
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => {
                Problem::from(Error::invalid_fields(vec![field_error(&pointer, &without_position(&error))]))
            }
            _ => malformed(&error),
        }
    })?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::malformed(Error::new(ErrorCode::Invalid, format!("the body is not JSON: {error}")))
}

fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

/// Converts an error of serde's into one of ours: which field, and what is wrong with it.
pub(crate) fn field_error(pointer: &str, text: &str) -> FieldError {
    let named = |prefix: &str| text.strip_prefix(prefix)?.split('`').next();
    let below = |name: &str| {
        let name = name.replace('~', "~0").replace('/', "~1");
        if pointer.ends_with(&format!("/{name}")) { pointer.to_owned() } else { format!("{pointer}/{name}") }
    };
    if let Some(name) = named("missing field `") {
        return FieldError { pointer: below(name), detail: "is required".into() };
    }
    if let Some(name) = named("duplicate field `") {
        return FieldError { pointer: below(name), detail: "is given twice".into() };
    }
    if let Some(name) = named("unknown field `") {
        let allowed = text.split_once("`, ").map_or("", |(_, allowed)| allowed);
        return FieldError { pointer: below(name), detail: format!("is unknown; {allowed}") };
    }
    // The text repeats what was sent, which can be long.
    let short: String = text.chars().take(300).collect();
    FieldError { pointer: pointer.to_owned(), detail: format!("does not fit: {short}") }
}

/// Returns the path as a JSON pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Unknown => {}
        }
    }
    pointer
}

/// Returns whether there is a `\u0000` that is not itself escaped. PostgreSQL cannot store the character, and no one
/// sends it on purpose.
fn has_escaped_nul(bytes: &[u8]) -> bool {
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate() {
        if escaped {
            escaped = false;
            if bytes.get(at..at + 5) == Some(b"u0000") {
                return true;
            }
        } else {
            escaped = *byte == b'\\';
        }
    }
    false
}

/// The versions that `If-Match` names (RFC 9110 §13.1.1); `None` without the header or for `*`. A tag begins with the version of
/// what it was given out for; tags of anything else name no version, and weak ones never match.
#[derive(Debug)]
pub(crate) struct IfMatch(Option<Vec<i64>>);

impl FromRequestParts<Ctx> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _ctx: &Ctx) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

impl IfMatch {
    /// Returns an operation that is meant for these versions.
    pub fn at(&self, op: &Operation) -> Operation {
        op.at_versions(self.0.as_deref())
    }

    /// Returns the versions that the headers name.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        if_match(headers).map(Self)
    }
}

fn if_match(headers: &HeaderMap) -> Result<Option<Vec<i64>>, Problem> {
    let malformed = || {
        let text = "If-Match must be `*`, or ETags as they were given out, such as \"3-x\", with commas between them";
        Problem::malformed(Error::new(ErrorCode::Invalid, text))
    };
    let values = headers.get_all(IF_MATCH).iter().map(|value| value.to_str().map_err(|_| malformed()));
    let list = values.collect::<Result<Vec<_>, _>>()?.join(",");
    if !headers.contains_key(IF_MATCH) || list.trim() == "*" {
        return Ok(None);
    }
    let (mut versions, mut rest) = (Vec::new(), list.trim());
    while !rest.is_empty() {
        let (is_weak, tag) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
        let (tag, after) = tag.strip_prefix('"').and_then(|tag| tag.split_once('"')).ok_or_else(malformed)?;
        if !is_weak {
            versions.extend(tag.split('-').next().and_then(|version| version.parse::<i64>().ok()));
        }
        let after = after.trim_start();
        rest = after.strip_prefix(',').map(str::trim_start).or(after.is_empty().then_some("")).ok_or_else(malformed)?;
    }
    if list.contains('"') { Ok(Some(versions)) } else { Err(malformed()) }
}

#[cfg(test)]
mod tests {
    use marketplace_core::base::change::Change;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Outer {
        name: String,
        #[serde(default)]
        list: Vec<u8>,
    }

    fn refused(text: &str) -> (u16, String, String) {
        let problem = json::<Outer>(text.as_bytes()).unwrap_err();
        let field = problem.error().fields().first().cloned();
        let (pointer, detail) = field.map_or_else(
            || (String::new(), problem.error().detail().to_owned()),
            |field| (field.pointer, field.detail),
        );
        (problem.status().as_u16(), pointer, detail)
    }

    #[test]
    fn pointers_say_which_field() {
        assert_eq!(refused("{}").1, "/name");
        assert_eq!(refused("").1, "/name");
        assert_eq!(refused(r#"{"name":5}"#).1, "/name");
        assert_eq!(refused(r#"{"name":"a","list":[1,300]}"#).1, "/list/1");
        let (status, pointer, detail) = refused(r#"{"name":"a","nmae":"b"}"#);
        assert_eq!((status, pointer.as_str()), (422, "/nmae"));
        assert!(detail.contains("`name`"), "{detail}");
        assert_eq!(refused(r#"{"name":"a","name":"b"}"#).1, "/name");
    }

    #[test]
    fn what_is_not_json_is_400() {
        for text in ["{", "nonsense", r#"{"name":"a"} x"#, "\u{0}", r#"{"name":"a",}"#] {
            assert_eq!(refused(text).0, 400, "{text:?}");
        }
        assert_eq!(refused(&"[".repeat(10_000)).0, 400);
        for text in ["[]", r#"["a",[1]]"#, "null", "5", r#""a""#] {
            assert_eq!(refused(text).0, 422, "{text:?}");
        }
    }

    #[test]
    fn nul_characters_are_refused_escaped_backslashes_are_not() {
        assert_eq!(refused(r#"{"name":"a\u0000"}"#).0, 422);
        assert!(json::<Outer>(br#"{"name":"a\\u0000"}"#).is_ok());
    }

    #[test]
    fn an_empty_body_is_an_empty_object() {
        assert_eq!(json::<Change>(b"").unwrap(), Change::default());
        assert_eq!(json::<Change>(b" \n").unwrap(), Change::default());
    }

    #[test]
    fn etags() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, value.parse().unwrap());
            if_match(&headers).map_err(|problem| problem.status().as_u16())
        };
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
        for (list, versions) in [
            ("\"3\"", vec![3]),
            ("\"3-aB_-9.br\"", vec![3]),
            ("\"1\", W/\"2\" ,\"4-x\",", vec![1, 4]),
            ("W/\"3\"", vec![]),
            ("\"x\", \"\"", vec![]),
            ("\"a,b\", \"5\"", vec![5]),
        ] {
            assert_eq!(with(list), Ok(Some(versions)), "{list}");
        }
        assert_eq!(with("*"), Ok(None));
        for bad in ["3", "\"3", "\"1\" \"2\"", "*, \"1\"", "w/\"1\"", "", ","] {
            assert_eq!(with(bad), Err(400), "{bad}");
        }
    }
}
