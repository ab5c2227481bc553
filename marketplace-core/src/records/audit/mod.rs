//! Who did what: an append-only log of rows of which each is linked to the one before it, written inside the transaction of
//! what it records. Rows hold ids and codes, never personal text, so erasure leaves them whole.
//!
//! A link is a tag under a key that is not in the database: with only the database the log can be changed, but not without
//! trace. An earlier head of the log (`sequence:tag`), kept elsewhere, shows whether it was rolled back to before that. Rows
//! from before there were keys are linked by plain SHA-256; the first tag vouches for them.

mod chain;
mod model;
mod sealing;
mod store;

pub(crate) use sealing::seal_left;

pub use model::{AuditAction, AuditFilter, AuditHead, AuditRow, AuditVerification, BrokenLink, Entry};

use std::sync::Arc;

use chain::{Beginning, GENESIS, StoredRow, Tagger, plain_link};

use crate::{
    actor::Actor,
    base::{
        error::{Error, Result},
        page::{Page, PageRequest, SeqCursor},
        permission::Permission,
        principal::Principal,
        time::Timestamp,
    },
    operation::Operation,
    platform::{
        db::{Conn, Db},
        keys::Keys,
    },
};

/// Rows that one call of [`verify`] checks at most.
pub const VERIFY_LIMIT: i64 = 10_000;
/// Rows that are read at a time to find an earlier one.
const EARLIER: i64 = 100;

/// Appends a row: on SQLite at once; on PostgreSQL it is written with the change and sealed after the commit, before
/// [`Operation::write`] returns (see `sealing.rs`). Either way sequence numbers have no gaps, and every row has one
/// predecessor.
///
/// # Errors
/// Errors of the database.
pub async fn append(op: &Operation, conn: &mut Conn<'_>, entry: Entry) -> Result<()> {
    append_all(op, conn, vec![entry]).await
}

/// Appends a row for each entry, in their order; otherwise like [`append`].
pub(crate) async fn append_all(op: &Operation, conn: &mut Conn<'_>, entries: Vec<Entry>) -> Result<()> {
    if let Conn::Pg(_) = conn {
        return sealing::append(op, conn, entries).await;
    }
    append_sealed(&op.keys, conn, op.now(), op.actor(), entries).await
}

/// Appends a row for each entry to the log itself, of which the end is locked until the transaction ends: for what an
/// operator seldom does to a whole database.
pub(crate) async fn append_sealed(
    keys: &Keys,
    conn: &mut Conn<'_>,
    now: Timestamp,
    actor: &Actor,
    entries: Vec<Entry>,
) -> Result<()> {
    let actor = actor.principal();
    sealing::link(keys, conn, entries.into_iter().map(|entry| entry.row(now, &actor)).collect()).await
}

impl Entry {
    fn row(self, at: Timestamp, actor: &Principal) -> StoredRow {
        StoredRow {
            seq: 0,
            at,
            actor: actor.clone(),
            action: self.action.to_string(),
            target_kind: self.target_kind.to_string(),
            target: self.target,
            reason: self.reason,
            metadata: self.metadata.to_string(),
            tag: String::new(),
            entry: None,
        }
    }
}

/// Whether a log without a recorded beginning under a key may be given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adopt {
    /// Only when these keys never tagged a log: else it is one from before keys only because somebody says so.
    Unknown,
    /// The operator says so.
    Always,
}

/// Records from which row on a log is tagged, when that was not recorded yet: from its first row, or, in a database from
/// before keys, from the next.
pub(crate) async fn begin(db: &Db, keys: &Arc<Keys>, now: Timestamp, adopt: Adopt) -> Result<()> {
    // Before the database: of two programs at once, the other remembers after its commit.
    let remembered = keys.has_begun_log();
    let mut reader = db.read().await?;
    let begun = !store::beginnings(&mut reader.conn()).await?.is_empty();
    let head = store::head(&mut reader.conn()).await?;
    drop(reader);
    if !begun {
        // What a missing head means is for `verify` to say.
        let Some(head) = head else { return Ok(()) };
        if head.seq > 0 && adopt == Adopt::Unknown && remembered {
            tracing::error!(
                "the audit log says nowhere from which row on it is tagged, and these keys tagged one before: it was rebuilt, or \
                 a backup from before was put in its place by hand; `marketplace audit verify` tells more"
            );
            return Ok(());
        }
        let keys = Arc::clone(keys);
        db.write(move |conn| {
            Box::pin(async move {
                // The head is locked first, as when appending; of several programs one is first.
                let (seq, previous) = store::take_head(conn, 0).await?;
                if store::beginnings(conn).await?.is_empty() {
                    store::insert_beginning(conn, &Beginning::new(&keys, seq + 1, &previous), now).await?;
                }
                Ok(())
            })
        })
        .await?;
    }
    keys.remember_log();
    Ok(())
}

/// Returns whether the log is tagged under the master key, which then is this database's key.
pub(crate) async fn is_begun_by(conn: &mut Conn<'_>, keys: &Keys) -> Result<bool> {
    Ok(store::beginnings(conn).await?.iter().any(|beginning| beginning.holds(keys)))
}

impl From<StoredRow> for AuditRow {
    fn from(row: StoredRow) -> Self {
        let StoredRow { seq, at, actor, action, target_kind, target, reason, metadata, tag, entry: _ } = row;
        // What is no object was not written by us; it is shown all the same.
        let object = serde_json::from_str(&metadata).ok().filter(serde_json::Value::is_object);
        let metadata = object.unwrap_or_else(|| serde_json::json!({ "unreadable": metadata }));
        let (action, target_kind) = (action.into(), target_kind.into());
        Self { seq, at, actor, action, target_kind, target, reason, metadata, tag }
    }
}

/// Returns the log, newest first.
///
/// # Errors
/// `forbidden` without the permission; `invalid` for a limit or cursor that is not valid, and for a filter that no row can
/// fit; `not_found` for an actor who never did anything on the machine or the account that is named.
pub async fn list(op: &Operation, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditRow>> {
    op.actor().require(Permission::AuditRead)?;
    filter.check()?;
    let limit = page.checked_limit()?;
    let before = page.cursor_in::<SeqCursor>("audit")?.map_or(i64::MAX, |cursor| cursor.0);
    if before == i64::MAX {
        sealing::catch_up(op).await;
    }
    let mut reader = op.db.read().await?;
    let rows = store::page(&mut reader.conn(), filter, before, limit + 1).await?;
    if rows.is_empty()
        && before == i64::MAX
        && filter.target.as_deref().is_some_and(|target| target.parse::<uuid::Uuid>().is_err())
    {
        // Other things than ids are few, so one of which nothing is on the log is misspelt.
        return Err(Error::not_found("target on the log; it is the id of what the row is about"));
    }
    if rows.is_empty()
        && before == i64::MAX
        && let Some(actor) =
            filter.actor.as_ref().filter(|actor| actor.0.starts_with("local:") && **actor != op.actor().principal())
        && store::page(
            &mut reader.conn(),
            &AuditFilter { actor: Some(actor.clone()), ..AuditFilter::default() },
            before,
            1,
        )
        .await?
        .is_empty()
    {
        // Nothing but the log knows who works on which machine, so a name that is not on it is misspelt.
        return Err(Error::not_found(format_args!("actor on the log: {actor}")));
    }
    Ok(Page::of_list("audit", rows, limit, |row| SeqCursor(row.seq)).map(AuditRow::from))
}

/// Returns the newest row that an action left about a target, of those whose metadata fit: where nothing else is left of what was
/// done, whoever asks for it again is told by this that it is done.
///
/// # Errors
/// Errors of the database.
pub(crate) async fn earlier(
    op: &Operation,
    action: AuditAction,
    target: impl ToString,
    fits: impl Fn(&serde_json::Value) -> bool,
) -> Result<Option<AuditRow>> {
    sealing::catch_up(op).await;
    let filter = AuditFilter { actor: None, action: Some(action.as_str().into()), target: Some(target.to_string()) };
    let (mut before, mut reader) = (i64::MAX, op.db.read().await?);
    loop {
        let rows = store::page(&mut reader.conn(), &filter, before, EARLIER).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        before = last.seq;
        if let Some(row) = rows.into_iter().map(AuditRow::from).find(|row| fits(&row.metadata)) {
            return Ok(Some(row));
        }
    }
}

/// Returns the number of the newest row; 0 when there is none, or its record is gone.
pub(crate) async fn head_seq(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(store::head(conn).await?.map_or(0, |head| head.seq))
}

/// Recomputes the chain from row `from` (1 for the first), `limit` rows at most. With `expect`, the head at an earlier time,
/// its row must be there when the walk comes to it, and the log must not end before it.
pub async fn verify(op: &Operation, from: i64, limit: i64, expect: Option<&AuditHead>) -> Result<AuditVerification> {
    op.actor().require(Permission::AuditRead)?;
    if from < 1 {
        return Err(Error::invalid("/from", "must be at least 1"));
    }
    if !(1..=VERIFY_LIMIT).contains(&limit) {
        return Err(Error::invalid("/limit", format!("must be from 1 to {VERIFY_LIMIT}")));
    }
    sealing::catch_up(op).await;
    let mut reader = op.db.read().await?;
    let found = verify_on(&op.keys, &mut reader.conn(), from, limit, expect).await?;
    if let (Some(head), None) = (&found.head, &found.broken)
        && let Some(detail) = sealing::late(&mut reader.conn()).await?
    {
        return Ok(broken(found.checked, head.seq + 1, &detail));
    }
    Ok(found)
}

/// Like [`verify`], over a connection and without a check of permissions.
pub(crate) async fn verify_on(
    keys: &Keys,
    conn: &mut Conn<'_>,
    from: i64,
    limit: i64,
    expect: Option<&AuditHead>,
) -> Result<AuditVerification> {
    // The head first: rows that come in while we read are then simply not asked for.
    let Some(head) = store::head(conn).await? else {
        let last = store::last_seq(conn).await?.unwrap_or(0);
        return Ok(broken(0, last, "may not be the last: the record of the newest row (audit_head) is missing"));
    };
    if let Some(seq) = store::below_first(conn).await? {
        return Ok(broken(0, seq, "was added outside the log, which begins with 1"));
    }
    if head.seq < 0 {
        return Ok(broken(0, head.seq, "is no number of a row: the record of the newest row (audit_head) was altered"));
    }
    if let Some(earlier) = expect.filter(|expect| (1..from).contains(&expect.seq)) {
        // The walk does not come to it.
        let row = store::from(conn, earlier.seq, earlier.seq, 1).await?.pop();
        let detail = match &row {
            None => Some("is missing"),
            Some(row) => unexpected(expect, row.seq, &row.tag),
        };
        if let Some(detail) = detail {
            return Ok(broken(0, earlier.seq, detail));
        }
    }
    if from > head.seq.saturating_add(1) {
        return Err(Error::invalid("/from", format!("the log ends at {}", head.seq)));
    }
    let links = match Links::of(keys, store::beginnings(conn).await?) {
        Ok(links) => links,
        Err(link) => return Ok(AuditVerification { broken: Some(link), ..broken(0, 0, "") }),
    };
    let rows = store::from(conn, (from - 1).max(1), head.seq, limit + 1).await?;
    let mut rows = rows.into_iter().peekable();
    let mut previous = GENESIS.to_owned();
    if from > 1 {
        match rows.next() {
            Some(row) if row.seq == from - 1 => previous = row.tag,
            _ => return Ok(broken(0, from - 1, "is missing")),
        }
    }
    let (mut checked, mut next) = (0, from);
    while checked < limit && next <= head.seq {
        let Some(row) = rows.next().filter(|row| row.seq == next) else {
            return Ok(broken(checked, next, "is missing"));
        };
        if let Some(detail) = links.fault(&previous, &row).or_else(|| unexpected(expect, row.seq, &row.tag)) {
            return Ok(broken(checked, next, detail));
        }
        previous = row.tag;
        checked += 1;
        next += 1;
    }
    if next <= head.seq {
        return Ok(AuditVerification { checked, next: Some(next), head: None, broken: None });
    }
    let fault = if previous != head.tag {
        Some((head.seq, "is not the row that was written last"))
    } else if store::last_seq(conn).await? > Some(head.seq) && store::head(conn).await?.as_ref() == Some(&head) {
        Some((head.seq + 1, "was added outside the log"))
    } else if let Some(detail) = links.fault_of_end(&head) {
        Some((head.seq + 1, detail))
    } else if expect.is_some_and(|expect| expect.seq > head.seq) {
        Some((head.seq + 1, "is missing: the log was longer"))
    } else {
        unexpected(expect.filter(|_| head.seq == 0), 0, GENESIS).map(|detail| (0, detail))
    };
    let fault = match fault {
        Some((seq, detail)) => Some((seq, detail.to_owned())),
        None => sealing::fault(keys, conn).await?.map(|detail| (head.seq + 1, detail)),
    };
    Ok(match fault {
        Some((seq, detail)) => broken(checked, seq, &detail),
        None => AuditVerification { checked, next: None, head: Some(head), broken: None },
    })
}

/// Returns what is wrong with a row, when it is the one that is expected to have another tag.
fn unexpected(expect: Option<&AuditHead>, seq: i64, tag: &str) -> Option<&'static str> {
    let expect = expect.filter(|expect| expect.seq == seq && expect.tag != tag);
    expect.map(|_| "is not the row that was expected: the log was rebuilt, or taken back to before and continued")
}

fn broken(checked: i64, seq: i64, detail: &str) -> AuditVerification {
    let broken = BrokenLink { seq, detail: detail.to_owned() };
    AuditVerification { checked, next: None, head: None, broken: Some(broken) }
}

/// How the rows of a log must be linked.
struct Links {
    tagger: Tagger,
    /// In the order of the log; there is one at least.
    beginnings: Vec<Beginning>,
}

impl Links {
    fn of(keys: &Keys, beginnings: Vec<Beginning>) -> Result<Self, BrokenLink> {
        let fault = |seq, detail: String| Err(BrokenLink { seq, detail });
        if beginnings.is_empty() {
            let detail = "cannot be told from a forged one: the record of where tags begin (audit_keys) is missing. After a \
                          backup from before tags was put in its place by hand, put it there with `marketplace db restore`";
            return fault(1, detail.to_owned());
        }
        for one in &beginnings {
            if one.key_id != keys.id() {
                return fault(one.first_seq, format!("is tagged under the key {}, which is not ours", one.key_id));
            }
            if !one.holds(keys) {
                return fault(one.first_seq, "is not where tags begin: its record (audit_keys) was altered".to_owned());
            }
        }
        Ok(Self { tagger: Tagger::new(keys), beginnings })
    }

    /// Returns what is wrong with the link of a row to the one before it.
    fn fault(&self, previous: &str, row: &StoredRow) -> Option<&'static str> {
        let tag = match self.beginnings.iter().rfind(|one| one.first_seq <= row.seq) {
            Some(one) if one.first_seq == row.seq && one.previous != previous => {
                return Some("follows another row than when its key began");
            }
            Some(_) => self.tagger.tag(previous, row),
            None => plain_link(previous, row),
        };
        (tag != row.tag).then_some("was edited, or the row before it was")
    }

    /// Returns what is wrong with a log that ends with this head.
    fn fault_of_end(&self, head: &AuditHead) -> Option<&'static str> {
        let last = self.beginnings.last()?;
        let early = last.first_seq > head.seq + 1 || (last.first_seq == head.seq + 1 && last.previous != head.tag);
        early.then_some("is missing: the log was longer when its key began")
    }
}

#[cfg(test)]
mod tests;
