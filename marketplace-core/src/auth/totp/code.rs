//! Codes by time: RFC 6238 over HMAC-SHA-1 with 30 s and 6 digits, which every authenticator app takes. Pure.

use std::fmt;

use data_encoding::{BASE32_NOPAD, Encoding};
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Totp};

use crate::base::{
    error::{Error, Result},
    ids::UserId,
    random::{self, Random},
    time::Timestamp,
};

/// Seconds of a step.
pub(crate) const STEP: i64 = 30;
/// Bytes of a secret: as many as SHA-1 has (RFC 4226 §4, R6).
const SECRET: usize = 20;
/// Recovery codes that are given out.
const CODES: usize = 10;
/// Random bytes of a recovery code: 120 bits, enough for a plain hash (ASVS 5, 6.5.2 asks for 112).
const CODE_BYTES: usize = 15;
/// Of secrets (RFC 4648 §6), for typing them in.
pub(crate) const BASE32: Encoding = BASE32_NOPAD;

/// What device and server share. Never printed, erased from memory when dropped.
pub(crate) struct Secret(Totp);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// A new one.
    pub(crate) fn new(random: &dyn Random) -> Self {
        Self::of(random::bytes(random))
    }
    /// From its bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        bytes.try_into().map(Self::of).map_err(|_| Error::internal("totp: a secret has a wrong length"))
    }
    /// The crate's defaults are SHA-1, 6 digits and 30 s. Its own tolerance is not used: it says of a code only that it fits.
    fn of(bytes: [u8; SECRET]) -> Self {
        Self(Builder::new().with_secret(totp_rs::Secret::new_stack(bytes)).with_skew(0).build_noncompliant())
    }
    /// Its bytes, for encryption only.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.secret().as_bytes()
    }
    /// For typing it in.
    pub(crate) fn base32(&self) -> String {
        BASE32.encode(self.bytes())
    }

    /// The six digits of a step (RFC 4226 §5.3).
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn code(&self, step: i64) -> String {
        self.0.generate((step * STEP).unsigned_abs()).to_string()
    }

    /// The step whose code was given: the present one or, with a tolerance of 1, the one before or after (RFC 6238 §5.2), and
    /// later than `last`, the newest of which a code was taken. Blanks between the digits are how apps show them.
    pub(crate) fn step_of(&self, given: &str, now: Timestamp, last: i64, tolerance: i64) -> Option<i64> {
        let given: String = given.chars().filter(|c| !c.is_whitespace()).collect();
        let present = now.unix_seconds() / STEP;
        // Each is compared, in constant time, whatever the others say: nothing shows in the time.
        let fits = [-1, 0, 1].map(|away: i64| {
            let step = present + away;
            let same = u64::try_from(step * STEP).is_ok_and(|at| self.0.check(&given, at).is_some());
            (step, same && step > last && away.abs() <= tolerance)
        });
        fits.into_iter().find(|(_, fits)| *fits).map(|(step, _)| step)
    }
}

/// New recovery codes, such as `abcd-efgh-ijkl-mnop-qrst-uvwx`.
pub(crate) fn recovery_codes(random: &dyn Random) -> Vec<String> {
    (0..CODES)
        .map(|_| {
            let plain = BASE32.encode(&random::bytes::<CODE_BYTES>(random)).to_lowercase();
            // Five bytes are eight letters: all of it is groups of four.
            plain.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-")
        })
        .collect()
}

/// What is kept of a recovery code. Case, blanks and dashes do not count.
pub(crate) fn recovery_hash(user: UserId, code: &str) -> Vec<u8> {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    Sha256::new().chain_update(user.0.as_bytes()).chain_update(plain).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::OsRandom;

    /// RFC 6238, appendix B, cut to six digits; its secret is 20 ASCII digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = Secret::from_bytes(b"12345678901234567890").unwrap();
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000_i64, "353130"),
        ] {
            assert_eq!(secret.code(seconds / STEP), code, "{seconds}");
        }
        assert_eq!(secret.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(!format!("{secret:?}").contains("49"));
    }

    #[test]
    fn a_code_is_good_for_its_step_and_the_two_beside_it() {
        let secret = Secret::new(&OsRandom);
        let now = Timestamp::from_unix_seconds(1_772_445_600);
        let present = now.unix_seconds() / STEP;
        let text = |step: i64| secret.code(step);
        for (step, taken) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let found = secret.step_of(&text(present + step), now, 0, 1);
            // Two steps may have the same code by chance.
            assert_eq!(found.is_some(), taken || (-1..=1).any(|near| text(present + near) == text(present + step)));
        }
        // Without tolerance, a code ends with its 30 seconds.
        for step in [-1, 0, 1] {
            let found = secret.step_of(&text(present + step), now, 0, 0);
            assert_eq!(found.is_some(), text(present + step) == text(present), "{step}");
        }
        assert_eq!(secret.step_of(&text(present), now, present, 1), None, "a code that was taken");
        let spaced = text(present);
        let spaced = format!(" {} {} ", &spaced[..3], &spaced[3..]);
        assert_eq!(secret.step_of(&spaced, now, present - 1, 1), Some(present));
        for junk in ["", "12345", "1234567", "12345a", "+12345", "-12345", "１２３４５６"] {
            assert_eq!(secret.step_of(junk, now, 0, 1), None, "{junk}");
        }
    }

    #[test]
    fn recovery_codes_differ_and_are_read_as_people_write_them() {
        let user = UserId::new(Timestamp::EPOCH, &OsRandom);
        let codes = recovery_codes(&OsRandom);
        let hashes: std::collections::BTreeSet<_> = codes.iter().map(|code| recovery_hash(user, code)).collect();
        assert_eq!((codes.len(), hashes.len()), (10, 10));
        let code = &codes[0];
        assert_eq!(code.len(), 29, "{code}");
        assert!(hashes.contains(&recovery_hash(user, &code.to_uppercase().replace('-', " "))));
        let other = UserId::new(Timestamp::EPOCH, &OsRandom);
        assert_ne!(recovery_hash(other, code), recovery_hash(user, code));
    }
}
