//! What links a row to the one before it, and who can make such a link.

use ring::hmac;
use sha2::{Digest, Sha256};

use crate::{
    base::{principal::Principal, time::Timestamp},
    platform::keys::Keys,
};

/// The tag before the first row.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A row as it is stored: its metadata are a text, of which the tag covers every byte.
#[derive(Debug, Clone)]
pub(super) struct StoredRow {
    pub seq: i64,
    pub at: Timestamp,
    pub actor: Principal,
    pub action: String,
    pub target_kind: String,
    pub target: String,
    pub reason: Option<String>,
    pub metadata: String,
    pub tag: String,
    /// What it was before it was sealed; `None` when it was put on the log at once.
    pub entry: Option<String>,
}

/// From which row on the log is tagged under a key.
#[derive(Debug, Clone, sqlx_macros::FromRow)]
pub(super) struct Beginning {
    pub first_seq: i64,
    pub key_id: String,
    /// The tag before that row, for which the key vouches with all that is before it.
    pub previous: String,
    pub mac: Vec<u8>,
}

impl Beginning {
    pub fn new(keys: &Keys, first_seq: i64, previous: &str) -> Self {
        let key_id = keys.id();
        let mac = Self::mac(keys, first_seq, &key_id, previous);
        Self { first_seq, key_id, previous: previous.to_owned(), mac }
    }

    fn mac(keys: &Keys, first_seq: i64, key_id: &str, previous: &str) -> Vec<u8> {
        let text = format!("{first_seq}\n{key_id}\n{previous}");
        hmac::sign(&keys.mac_key(b"marketplace/audit beginning/1"), text.as_bytes()).as_ref().to_vec()
    }

    /// Whether it was written under one of our keys.
    pub fn holds(&self, keys: &Keys) -> bool {
        self.mac == Self::mac(keys, self.first_seq, &self.key_id, &self.previous)
    }
}

/// Makes tags of one key.
#[derive(Debug)]
pub(super) struct Tagger(hmac::Key);

impl Tagger {
    pub fn new(keys: &Keys) -> Self {
        Self(keys.mac_key(b"marketplace/audit/1"))
    }

    /// For rows that are not on the log yet: they have no number and no predecessor.
    pub fn of_unsealed(keys: &Keys) -> Self {
        Self(keys.mac_key(b"marketplace/audit unsealed/1"))
    }

    /// HMAC-SHA-256 over the previous tag and every field.
    pub fn tag(&self, previous: &str, row: &StoredRow) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        each_part(previous, row, &mut |bytes| context.update(bytes));
        hex::encode(context.sign().as_ref())
    }
}

/// SHA-256 over the same: how rows were linked before there were keys.
pub(super) fn plain_link(previous: &str, row: &StoredRow) -> String {
    let mut hash = Sha256::new();
    each_part(previous, row, &mut |bytes| hash.update(bytes));
    hex::encode(hash.finalize())
}

/// Every field with its length before it, so that no two rows read alike.
fn each_part(previous: &str, row: &StoredRow, take: &mut dyn FnMut(&[u8])) {
    let numbers = [row.seq.to_string(), row.at.micros().to_string()];
    let reason = row.reason.as_deref().map(|reason| format!("={reason}")).unwrap_or_default();
    let parts = [
        previous,
        &numbers[0],
        &numbers[1],
        &row.actor.0,
        &row.action,
        &row.target_kind,
        &row.target,
        &reason,
        &row.metadata,
    ];
    for part in parts.into_iter().chain(row.entry.as_deref()) {
        take(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        take(part.as_bytes());
    }
}
