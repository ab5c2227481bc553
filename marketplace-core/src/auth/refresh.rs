//! Refresh tokens: 256 bits that cannot be forged, bound to a session and to a generation of it.
//!
//! A token is `session ‖ generation ‖ HMAC(key, session ‖ generation ‖ secret)`. The key is derived from the master
//! key and is not in the database; the secret is drawn for each session and stored only with it. So:
//!
//! - with the database alone, or the keys alone, no token can be created;
//! - the successor of a token is the same however often it is requested, and no token needs a row;
//! - an old token is distinguished from a forged one, however old it is, by a hash and a number.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use uuid::Uuid;

use crate::{
    base::{
        error::{Error, Result},
        ids::SessionId,
        time::Timestamp,
    },
    platform::keys::Keys,
};

/// Time after its first use for which a token still returns its successor: for two tabs, and for a response that was
/// lost.
pub(super) const REPEAT: Duration = Duration::from_secs(15);
/// Number of uses that are remembered. More uses than these within [`REPEAT`] do not come from a user's tabs.
const REMEMBERED: usize = 32;

/// The content of a token, before its authenticity is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Presented {
    pub session: SessionId,
    pub generation: i64,
    tag: [u8; 32],
}

impl Presented {
    /// Parses a token. Returns `None` for text that does not have this form.
    pub fn parse(text: &str) -> Option<Self> {
        // 56 bytes in base64.
        if text.len() != 75 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (session, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, tag) = rest.split_first_chunk::<8>()?;
        let generation = i64::from_be_bytes(*generation);
        Some(Self { session: SessionId(Uuid::from_bytes(*session)), generation, tag: tag.try_into().ok()? })
    }

    /// Returns whether this program created the token for a session with this secret; compares in constant time.
    pub fn is_ours(&self, keys: &Keys, secret: &[u8]) -> bool {
        hmac::verify(&key(keys), &signed(self.session, self.generation, secret), &self.tag).is_ok()
    }
}

/// Returns the token of a session's generation.
pub(super) fn token(keys: &Keys, session: SessionId, generation: i64, secret: &[u8]) -> String {
    let mut bytes = [session.0.as_bytes().as_slice(), &generation.to_be_bytes()].concat();
    bytes.extend(hmac::sign(&key(keys), &signed(session, generation, secret)).as_ref());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn key(keys: &Keys) -> hmac::Key {
    keys.mac_key(b"refresh token")
}

fn signed(session: SessionId, generation: i64, secret: &[u8]) -> Vec<u8> {
    [session.0.as_bytes().as_slice(), &generation.to_be_bytes(), secret].concat()
}

/// Times at which the latest generations of a session were first used, the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Uses(Vec<i64>);

impl Uses {
    pub fn parse(stored: Option<&str>) -> Result<Self> {
        stored.map_or(Ok(Self::default()), |text| serde_json::from_str(text).map(Self).map_err(Error::internal))
    }

    /// Returns the stored form after the newest token is used now, without uses older than [`REPEAT`].
    pub fn and_now(mut self, now: Timestamp) -> Result<String> {
        self.0.retain(|at| now.since(Timestamp::from_micros(*at)) < REPEAT);
        self.0.push(now.micros());
        let surplus = self.0.len().saturating_sub(REMEMBERED);
        self.0.drain(..surplus);
        serde_json::to_string(&self.0).map_err(Error::internal)
    }

    /// Returns whether the generation `back` before the newest was first used so recently that it still returns its
    /// successor.
    fn answers(&self, back: usize, now: Timestamp) -> bool {
        let used = self.0.len().checked_sub(back).and_then(|at| self.0.get(at));
        used.is_some_and(|at| now.since(Timestamp::from_micros(*at)) < REPEAT)
    }
}

/// The result for an authentic token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the newest token: its successor becomes the newest.
    Rotates,
    /// It was used a moment ago: its successor is returned again.
    Repeats,
    /// It was used long ago: one of the two who hold it stole it.
    Stolen,
}

/// Judges an authentic token. A generation above the newest comes from a time that the database has lost (it was
/// restored, or failed over), and is treated as the newest.
pub(super) fn judge(generation: i64, newest: i64, uses: &Uses, now: Timestamp) -> Verdict {
    match usize::try_from(newest.saturating_sub(generation)) {
        Err(_) | Ok(0) => Verdict::Rotates,
        Ok(back) if uses.answers(back, now) => Verdict::Repeats,
        Ok(_) => Verdict::Stolen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::OsRandom;

    fn session() -> SessionId {
        SessionId(Uuid::from_u128(7))
    }

    #[test]
    fn a_token_is_of_its_session_generation_secret_and_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path(), &OsRandom).unwrap();
        let text = token(&keys, session(), 5, b"secret");
        assert_eq!(text, token(&keys, session(), 5, b"secret"));
        let read = Presented::parse(&text).unwrap();
        assert_eq!((read.session, read.generation), (session(), 5));
        assert!(read.is_ours(&keys, b"secret"));
        assert!(!read.is_ours(&keys, b"another"));
        assert!(!Presented { generation: 6, ..read }.is_ours(&keys, b"secret"));
        assert!(!Presented { session: SessionId(Uuid::from_u128(8)), ..read }.is_ours(&keys, b"secret"));
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(!read.is_ours(&Keys::open(elsewhere.path(), &OsRandom).unwrap(), b"secret"));
        for bad in ["", "x", &text[1..], &format!("{text}A"), &"!".repeat(75), &"x".repeat(100_000)] {
            assert_eq!(Presented::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_use_answers_for_a_while_and_later_ones_do_not_shorten_it() {
        let start = Timestamp::from_unix_seconds(1_000);
        let after = |seconds| start + Duration::from_secs(seconds);
        // Generation 1 was used at 0 s, 2 at 5 s, 3 at 10 s: 4 is the newest.
        let mut uses = Uses::default();
        for seconds in [0, 5, 10] {
            uses = Uses::parse(Some(&uses.and_now(after(seconds)).unwrap())).unwrap();
        }
        assert_eq!(judge(4, 4, &uses, after(10)), Verdict::Rotates);
        assert_eq!(judge(9, 4, &uses, after(10)), Verdict::Rotates);
        for (generation, until) in [(1, 15), (2, 20), (3, 25)] {
            assert_eq!(judge(generation, 4, &uses, after(until - 1)), Verdict::Repeats, "{generation}");
            assert_eq!(judge(generation, 4, &uses, after(until)), Verdict::Stolen, "{generation}");
        }
        assert_eq!(judge(0, 4, &uses, after(10)), Verdict::Stolen);
        assert_eq!(judge(i64::MIN, 4, &uses, after(10)), Verdict::Stolen);
        // Uses older than the repeat time are forgotten, and so are more uses than tabs can cause.
        assert_eq!(uses.and_now(after(60)).unwrap(), format!("[{}]", after(60).micros()));
        let mut many = Uses::default();
        for _ in 0..100 {
            many = Uses::parse(Some(&many.and_now(start).unwrap())).unwrap();
        }
        assert_eq!(many.0.len(), REMEMBERED);
    }
}
