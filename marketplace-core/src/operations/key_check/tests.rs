use std::{fs, path::PathBuf};

use super::*;
use crate::{
    accounts::model::Status,
    app::App,
    base::{error::ErrorCode, permission::Role, random::OsRandom},
    testing::{self, OPERATOR, TestApp},
};

/// Opens the same marketplace once more, as after a restart.
async fn reopened(test: &TestApp) -> Result<App> {
    App::open((*test.app().config).clone()).await
}

async fn refused(test: &TestApp, file: &str) -> Error {
    let error = reopened(test).await.expect_err("it does not open");
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.detail().contains(file), "{error}");
    let checked = check(&test.app().db, &test.app().config.keys_dir()).await.expect_err("it does not fit");
    assert_eq!(checked.detail(), error.detail());
    error
}

async fn opens(test: &TestApp) {
    let app = reopened(test).await.unwrap();
    app.close().await;
}

fn dir(test: &TestApp) -> PathBuf {
    test.app().config.keys_dir()
}

fn listed(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn sql(test: &TestApp, statement: &'static str) {
    let unit = test.app().db.write(move |c| {
        Box::pin(async move {
            crate::on!(c, |x, _DB| sqlx::query(statement).execute(x).await.map(|_| ())).map_err(Error::from)
        })
    });
    unit.await.unwrap();
}

#[tokio::test]
async fn a_lost_or_foreign_key_is_never_made_anew() {
    for test in testing::apps().await {
        let (keys, aside) = (dir(&test), tempfile::tempdir().unwrap());
        assert!(matches!(check(&test.app().db, &keys).await.unwrap(), KeyState::Fit { .. }));
        for file in [MASTER, Ring::FIRST] {
            fs::rename(keys.join(file), aside.path().join(file)).unwrap();
            let before = listed(&keys);
            let error = refused(&test, &keys.join(file).display().to_string()).await;
            assert!(error.detail().contains("missing"), "{error}");
            assert_eq!(listed(&keys), before, "nothing was made");
            // A key of another marketplace replaces it.
            let other = tempfile::tempdir().unwrap();
            Keys::open(other.path(), &OsRandom).unwrap();
            fs::copy(other.path().join(file), keys.join(file)).unwrap();
            let error = refused(&test, &keys.join(file).display().to_string()).await;
            assert!(error.detail().contains("another key"), "{error}");
            fs::write(keys.join(file), "junk").unwrap();
            let error = refused(&test, &keys.join(file).display().to_string()).await;
            assert!(error.detail().contains("damaged"), "{error}");
            fs::rename(aside.path().join(file), keys.join(file)).unwrap();
            opens(&test).await;
        }
        // The whole folder is missing, and is not created either.
        fs::rename(&keys, aside.path().join("keys")).unwrap();
        refused(&test, MASTER).await;
        assert!(!keys.exists());
        fs::create_dir(&keys).unwrap();
        refused(&test, MASTER).await;
        assert!(listed(&keys).is_empty());
        test.close().await;
    }
}

#[tokio::test]
async fn a_database_from_before_fingerprints_gets_them_from_keys_that_open_it() {
    for test in testing::apps().await {
        let (app, keys, aside) = (test.app(), dir(&test), tempfile::tempdir().unwrap());
        // A waiting mail, which is encrypted.
        test.user(Role::Client, Status::Unverified).await;
        let before = async || {
            sql(&test, "DELETE FROM key_check").await;
            sql(&test, "DELETE FROM audit_keys").await;
        };
        before().await;
        fs::rename(&keys, aside.path().join("keys")).unwrap();
        refused(&test, MASTER).await;
        assert!(!keys.exists(), "nothing was made");
        Keys::open(&keys, &OsRandom).unwrap();
        let error = refused(&test, MASTER).await;
        assert!(error.detail().contains("opens nothing"), "{error}");
        fs::remove_dir_all(&keys).unwrap();
        fs::rename(aside.path().join("keys"), &keys).unwrap();
        opens(&test).await;
        let known = known(&mut app.db.read().await.unwrap().conn()).await.unwrap();
        assert!(known.len() == 2 && fingerprints(&app.keys).iter().all(|one| known.contains(one)), "{known:?}");
        // One damaged row does not count as a foreign key while others can be decrypted.
        before().await;
        test.user(Role::Client, Status::Unverified).await;
        let unit = app.db.write(|conn| {
            Box::pin(async move {
                q!(conn => exec,
                    "UPDATE mail_outbox SET sealed = $1 WHERE id = (SELECT id FROM mail_outbox ORDER BY id DESC LIMIT 1)",
                    vec![0_u8; 60])?;
                Ok(())
            })
        });
        unit.await.unwrap();
        opens(&test).await;
        test.close().await;
    }
}

#[tokio::test]
async fn a_database_that_was_never_written_with_a_key_takes_any() {
    for test in testing::databases().await {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        assert_eq!(check(test.db(), &keys).await.unwrap(), KeyState::Unused);
        assert!(!keys.exists());
        let now = Timestamp::from_micros(0);
        // Two concurrent programs with the same folder create one key; a third with its own folder is rejected.
        let (one, other) = tokio::join!(open(test.db(), &keys, &OsRandom, now), open(test.db(), &keys, &OsRandom, now));
        assert_eq!(one.unwrap().id(), other.unwrap().id());
        let own = tempfile::tempdir().unwrap();
        assert!(open(test.db(), &own.path().join("keys"), &OsRandom, now).await.is_err());
        test.close().await;
    }
}

#[tokio::test]
async fn of_two_folders_at_once_one_wins() {
    for test in testing::databases().await {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let now = Timestamp::from_micros(0);
        let both =
            tokio::join!(open(test.db(), one.path(), &OsRandom, now), open(test.db(), other.path(), &OsRandom, now));
        assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
        let lost = both.0.err().or(both.1.err()).unwrap();
        assert!(lost.detail().contains(MASTER), "{lost}");
        test.close().await;
    }
}

#[tokio::test]
async fn rotations_are_registered_and_lost_signing_keys_are_replaced_on_purpose() {
    for test in testing::apps().await {
        let (app, keys) = (test.app(), dir(&test));
        let first = app.keys.signer().unwrap().kid.clone();
        for _ in 0..4 {
            crate::operations::signing_keys::rotate_keys(&app.by(&OPERATOR)).await.unwrap();
            opens(&test).await;
        }
        let registered = async || {
            let known = known(&mut app.db.read().await.unwrap().conn()).await.unwrap();
            known.into_iter().map(|one| one.file).collect::<Vec<_>>()
        };
        assert_eq!(registered().await, ["jwt-0003.key", "jwt-0004.key", "jwt-0005.key", MASTER]);
        // A copy of the folder from before the last rotations: other servers sign with a key that it does not have.
        fs::remove_file(keys.join("jwt-0005.key")).unwrap();
        refused(&test, "jwt-0005.key").await;
        for file in ["jwt-0003.key", "jwt-0004.key"] {
            fs::remove_file(keys.join(file)).unwrap();
        }
        refused(&test, "jwt-0005.key").await;
        let rotation = crate::operations::signing_keys::replace_lost_keys(&app.config, &OPERATOR).await.unwrap();
        assert_ne!(rotation.signs, first);
        assert_eq!(registered().await, ["jwt-0006.key", MASTER]);
        opens(&test).await;
        // Nothing replaces the master key.
        fs::remove_file(keys.join(MASTER)).unwrap();
        let refused = crate::operations::signing_keys::replace_lost_keys(&app.config, &OPERATOR).await.unwrap_err();
        assert!(refused.detail().contains(MASTER), "{refused}");
        assert!(!keys.join(MASTER).exists());
        test.close().await;
    }
}

#[tokio::test]
async fn whoever_has_the_database_makes_no_other_key_pass() {
    for test in testing::apps().await {
        let (app, keys) = (test.app(), dir(&test));
        let other = tempfile::tempdir().unwrap();
        let foreign = Keys::open(other.path(), &OsRandom).unwrap();
        // The name of a foreign key with this marketplace's fingerprint, and the other way round.
        let (id, theirs) = (foreign.id(), fingerprints(&foreign).remove(0).mac);
        let unit = app.db.write(move |conn| {
            let (id, theirs) = (id.clone(), theirs.clone());
            Box::pin(async move {
                q!(conn => exec, "UPDATE key_check SET key_id = $1, mac = $2 WHERE file = 'master.key'", id, theirs)?;
                Ok(())
            })
        });
        unit.await.unwrap();
        let error = refused(&test, MASTER).await;
        assert!(error.detail().contains("another key"), "{error}");
        let id = app.keys.id();
        let unit = app.db.write(move |conn| {
            let id = id.clone();
            Box::pin(async move {
                q!(conn => exec, "UPDATE key_check SET key_id = $1 WHERE file = 'master.key'", id)?;
                Ok(())
            })
        });
        unit.await.unwrap();
        let error = refused(&test, MASTER).await;
        assert!(error.detail().contains("altered"), "{error}");
        // Forged signing keys prevent nobody from opening the database.
        sql(&test, "DELETE FROM key_check WHERE file = 'master.key'").await;
        sql(&test, "INSERT INTO key_check (file, key_id, mac, created_at) SELECT 'jwt-9999.key', key_id, mac, created_at FROM key_check WHERE file = 'jwt-0001.key'").await;
        opens(&test).await;
        assert!(keys.join(MASTER).exists());
        test.close().await;
    }
}
