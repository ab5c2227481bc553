//! Checks of everything that a marketplace depends on, for the operator of the machine. Nothing is created or changed,
//! except for one object that is put into the file store and deleted again.

mod due_work;
pub mod finding;
mod keys;

pub use finding::{Finding, Verdict, open_to_others};

use std::{sync::Arc, time::Duration};

use crate::{
    app::App,
    base::{
        error::{Error, Result},
        random::OsRandom,
        time::{Clock, SystemClock},
    },
    kyc,
    platform::{
        config::Config,
        db::{Db, Engine, OpenOptions},
        keys::Keys,
    },
    records::audit,
};

/// Timeout for the requests that are made to the file store here.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks the database, the keys, the files, the audit log and the due work. A failed check does not prevent the
/// others, as far as they are possible without it.
pub async fn examine(config: &Config) -> Vec<Finding> {
    const NAME: &str = "database";
    let url = config.database_url();
    let options = OpenOptions { connections: 1, create: false, ..OpenOptions::default() };
    let db = match Db::open(url.expose(), options).await {
        Ok(db) => db,
        Err(error) => return vec![Finding::error(NAME, &error)],
    };
    let mut found = vec![Finding::of(NAME, db.ping().await.map(|()| format!("{url} answers")))];
    if let Some(url) = config.database_read_url() {
        let lag = db.replica_lag(&url).await;
        let said = lag.map(|lag| format!("{url} answers, {} bytes behind", lag.unwrap_or_default()));
        found.push(Finding::of("replica", said));
    }
    found.extend(integrity(&db).await);
    let mut schema = schema(&db).await;
    if schema.status == Verdict::Ok
        && let Err(error) = db.require_rights().await
    {
        schema = Finding::error("rights", &error);
    }
    let fits = schema.status == Verdict::Ok;
    found.push(schema);
    if fits {
        let (findings, keys) = keys::examine(config, &db).await;
        found.extend(findings);
        found.push(audit(&db, keys.as_ref()).await);
        found.extend(due_work::checks(&db, SystemClock.now()).await);
        found.push(retention(config, &db).await);
        // Opening would create missing keys.
        if keys.is_some() && !db.is_kept() {
            found.extend(files(config).await);
        }
    }
    db.close().await;
    found
}

/// Checks the integrity of every page of SQLite's file. PostgreSQL has tools of its own for that.
async fn integrity(db: &Db) -> Option<Finding> {
    const NAME: &str = "integrity";
    if db.engine() == Engine::Postgres {
        return None;
    }
    Some(match db.quick_check().await {
        Ok(None) => Finding::ok(NAME, "every page of the database is whole"),
        Ok(Some(problem)) => Finding::failed(
            NAME,
            format!("the database is damaged: {problem}; stop the server, keep a copy, and restore a backup"),
        ),
        Err(error) => Finding::error(NAME, &error),
    })
}

async fn schema(db: &Db) -> Finding {
    const NAME: &str = "schema";
    match db.schema_state().await {
        Err(error) => Finding::error(NAME, &error),
        Ok(state) if state.is_expanded && state.missing == 0 => {
            Finding::ok(NAME, format!("{}, of a newer program; this one ({}) runs on it", state.applied, state.newest))
        }
        Ok(state) if state.is_current() => Finding::ok(NAME, format!("{}, up to date", state.applied)),
        Ok(state) if state.applied > state.newest => {
            Finding::failed(NAME, format!("{}, newer than this program ({})", state.applied, state.newest))
        }
        Ok(state) => {
            Finding::failed(NAME, format!("{} of {}: run `marketplace db migrate`", state.applied, state.newest))
        }
    }
}

/// Verifies the whole chain of the audit log.
async fn audit(db: &Db, keys: Option<&Keys>) -> Finding {
    const NAME: &str = "audit log";
    let Some(keys) = keys else {
        return Finding::warning(NAME, "it can only be verified with the keys of this marketplace");
    };
    let verified = async {
        let mut reader = db.read().await?;
        let (mut from, mut checked) = (1, 0);
        loop {
            let part = audit::verify_on(keys, &mut reader.conn(), from, audit::VERIFY_LIMIT, None).await?;
            checked += part.checked;
            match (part.broken, part.next) {
                (None, Some(next)) => from = next,
                (broken, _) => return Ok::<_, Error>((checked, broken)),
            }
        }
    };
    match verified.await {
        Ok((checked, None)) => Finding::ok(NAME, format!("its chain of {checked} rows is whole")),
        Ok((_, Some(broken))) => Finding::failed(NAME, format!("row {} {}", broken.seq, broken.detail)),
        Err(error) => Finding::error(NAME, &error),
    }
}

/// Reports how long files of identity checks are kept, and how many files past that time still wait for deletion.
async fn retention(config: &Config, db: &Db) -> Finding {
    const NAME: &str = "retention";
    let kept = match kyc::retained(db, &config.retention, crate::base::time::Clock::now(&SystemClock)).await {
        Ok(kept) => kept,
        Err(error) => return Finding::error(NAME, &error),
    };
    let days = kept.days.iter().map(|(outcome, days)| match days {
        Some(days) => format!("{outcome} {days} d"),
        None => format!("{outcome} as long as the account"),
    });
    let days = days.collect::<Vec<_>>().join(", ");
    let text = format!("files of identity checks: {days}; {} overdue, {} to delete", kept.overdue, kept.waiting);
    if kept.overdue + kept.waiting > 0 {
        Finding::warning(NAME, format!("{text}; a server that runs does it within seconds"))
    } else {
        Finding::ok(NAME, text)
    }
}

/// Checks that the store accepts an object and deletes it again, and that a stored file can be decrypted with its key.
async fn files(config: &Config) -> Vec<Finding> {
    const STORE: &str = "file store";
    const STORED: &str = "stored file";
    let options = OpenOptions::for_one();
    let config = Config { redis_url: None, ..config.clone() };
    let app = match App::open_with(config, options, Arc::new(SystemClock), Arc::new(OsRandom)).await {
        Ok(app) => app,
        Err(error) => return vec![Finding::error(STORE, &error)],
    };
    let newest = within(kyc::open_newest_file(&app)).await;
    let is_new = app.files.is_new() && matches!(newest, Ok(None));
    let tried = within(async {
        if is_new {
            return Ok(format!("{} is made when a server starts", app.config.files_url()));
        }
        let key = app.files.put(app.random.as_ref(), b"marketplace doctor".to_vec()).await?;
        let read = app.files.get(&key).await;
        app.files.delete(&key).await?;
        if read? == b"marketplace doctor" {
            Ok(format!("{} takes an object and gives it back", app.config.files_url()))
        } else {
            Err(Error::unavailable(
                "the file store gives back other bytes than it took",
                "what was put is not what is got",
            ))
        }
    });
    let tried = Finding::of(STORE, tried.await);
    let opened = newest.map(|newest| match newest {
        Some(attempt) => format!("the newest one, of attempt {attempt}, opens with its key"),
        None => "there is none yet".to_owned(),
    });
    let opened = Finding::of(STORED, opened);
    app.close().await;
    vec![tried, opened]
}

async fn within<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |elapsed| Error::unavailable(format!("no answer within {} s", PATIENCE.as_secs()), elapsed);
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
}
