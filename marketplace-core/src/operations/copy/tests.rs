use super::*;
use crate::{
    accounts::model::Status,
    app::App,
    base::{error::ErrorCode, page::PageRequest, permission::Role},
    platform::config::Secret,
    records::audit::AuditFilter,
    testing,
};

fn at(url: impl Into<String>) -> Config {
    Config { database_url: Some(Secret::new(url)), ..Config::default() }
}

#[tokio::test]
async fn only_from_sqlite_to_postgres_and_only_what_is_there() {
    let code = async |from: &str, to: &str| {
        copy(&at(from), &at(to), &testing::OPERATOR, false, &|_| ()).await.unwrap_err().code()
    };
    assert_eq!(code("postgres://h/a", "postgres://h/b").await, ErrorCode::Invalid);
    assert_eq!(code("sqlite:///nowhere/a.db", "sqlite:///nowhere/b.db").await, ErrorCode::Invalid);
    assert_eq!(code("sqlite:///nowhere/a.db", "postgres://h/b").await, ErrorCode::NotFound);
}

#[test]
fn parents_come_first() {
    let table = |name: &str| Table { name: name.into(), columns: vec![], key: vec![] };
    let refers = |child: &str, parent: &str| (child.to_owned(), parent.to_owned());
    let names = |tables: Vec<Table>| tables.into_iter().map(|table| table.name).collect::<Vec<_>>();
    let ordered = in_order(vec![table("c"), table("b"), table("a")], &[refers("c", "b"), refers("b", "a")]).unwrap();
    assert_eq!(names(ordered), ["a", "b", "c"]);
    assert!(in_order(vec![table("a"), table("b")], &[refers("a", "b"), refers("b", "a")]).is_err());
}

#[tokio::test]
async fn a_copy_needs_the_keys_of_its_source_and_is_on_record() {
    let Ok(_) = std::env::var(testing::POSTGRES) else { return };
    let source = testing::app().await;
    source.user(Role::Client, Status::Active).await;
    let from = &source.app().config;
    for same in [false, true] {
        let keys_dir = same.then(|| from.keys_dir());
        for test in testing::apps_with(|config| config.keys_dir.clone_from(&keys_dir)).await {
            let target = test.app();
            if target.db.engine() == Engine::Postgres && same {
                let copied = copy(from, &target.config, &testing::OPERATOR, true, &|_| ()).await.unwrap();
                for app in [source.app(), target] {
                    let whole = audit::verify(&app.by(&testing::OPERATOR), 1, 1_000, None).await.unwrap();
                    assert_eq!((whole.checked, whole.broken), (copied.audit_verified, None));
                    let page = PageRequest::first(1);
                    let rows = audit::list(&app.by(&testing::OPERATOR), &AuditFilter::default(), &page).await.unwrap();
                    assert_eq!(
                        (rows.items[0].action.to_string().as_str(), &rows.items[0].actor),
                        ("db.copy", &testing::OPERATOR.principal())
                    );
                }
                assert!(App::open((*target.config).clone()).await.is_ok());
            } else if target.db.engine() == Engine::Postgres {
                // First with the keys of the target's own configuration; then with the source's keys, although the target's
                // database was opened with its own before.
                let forced = Config { keys_dir: Some(from.keys_dir()), ..(*target.config).clone() };
                for to in [&*target.config, &forced] {
                    let refused = copy(from, to, &testing::OPERATOR, true, &|_| ()).await.unwrap_err();
                    assert_eq!(refused.code(), ErrorCode::Unavailable);
                    assert!(refused.detail().contains("master.key"), "{refused}");
                }
            }
            test.close().await;
        }
    }
    source.close().await;
}
