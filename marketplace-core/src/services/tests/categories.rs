use futures::FutureExt;

use super::*;
use crate::{
    base::{
        change::Changed,
        error::{ErrorCode, Result},
        patch::Patch,
        permission::Role,
    },
    services::{
        merge_category,
        merging::move_merged,
        model::{CategoryDetail, Names, NewCategory, ServiceSort, SuggestFilter, UpdateCategory},
        store::set_category,
    },
};

fn refused<T: std::fmt::Debug>(answer: Result<T>, code: ErrorCode) {
    assert_eq!(answer.unwrap_err().code(), code);
}

fn names(all: &[(&str, &str)]) -> Names {
    all.iter().map(|(language, name)| ((*language).to_owned(), (*name).to_owned())).collect()
}

#[tokio::test]
async fn admins_manage_categories_and_searches_know_their_names() {
    for test in testing::apps().await {
        let app = test.app();
        let first = super::super::categories(app).await.unwrap();
        assert_eq!(first.iter().map(|category| category.code).collect::<Vec<_>>(), Category::FIRST);
        let (admin, support, worker) =
            (test.actor(Role::Admin).await, test.actor(Role::Support).await, test.approved_worker().await);
        let drones: Category = "drones".parse().unwrap();
        let new = |parent| NewCategory { key: drones, names: names(&[("en", "Drones")]), parent, position: None };
        refused(
            create(&app.by(&worker), NewService { category: drones, ..new_service("Flights") }).await,
            ErrorCode::Invalid,
        );
        refused(create_category(&app.by(&support), new(None)).await, ErrorCode::Forbidden);
        refused(create_category(&app.by(&admin), new(Some(drones))).await, ErrorCode::Invalid);
        let made = create_category(&app.by(&admin), new(Some(Category::Photography))).await.unwrap();
        assert!(made.changed && made.item.position == 250);
        assert!(!create_category(&app.by(&admin), new(Some(Category::Photography))).await.unwrap().changed);
        refused(create_category(&app.by(&admin), new(None)).await, ErrorCode::Conflict);

        let service = published(&test, &worker, NewService { category: drones, ..new_service("Flights") }).await;
        let of = SearchFilter { category: Some(drones), ..SearchFilter::default() };
        assert_eq!(found(&test, &of).await, ["Flights"]);
        assert_eq!(found(&test, &q("drones")).await, ["Flights"]);
        assert!(found(&test, &q("drohnen")).await.is_empty());
        let unknown = SearchFilter { category: Some("unknown".parse().unwrap()), ..SearchFilter::default() };
        refused(search(app, &unknown, &PageRequest::first(1)).await, ErrorCode::Invalid);

        // Another name is known at once; a hidden category takes no new services, and keeps those that it has.
        let change = async |update: UpdateCategory| -> Result<Changed<CategoryDetail>> {
            update_category(&app.by(&admin), drones, update).await
        };
        let german =
            UpdateCategory { names: [("de".into(), Some("Drohnen".into()))].into(), ..UpdateCategory::default() };
        let renamed = change(german.clone()).await.unwrap();
        assert_eq!((renamed.item.version, change(german).await.unwrap().changed), (2, false));
        assert_eq!(found(&test, &q("Drohnen")).await, ["Flights"]);
        let typed = SuggestFilter { q: "droh".into(), limit: None };
        assert_eq!(suggest(app, &typed).await.unwrap().items[0].category, Some(drones));
        let hidden = UpdateCategory { active: Some(false), parent: Patch::Clear, ..UpdateCategory::default() };
        assert_eq!(change(hidden).await.unwrap().item.parent, None);
        assert_eq!(super::super::categories(app).await.unwrap().len(), Category::FIRST.len());
        refused(
            create(&app.by(&worker), NewService { category: drones, ..new_service("More") }).await,
            ErrorCode::Invalid,
        );
        let title = UpdateService { title: Patch::Set("Aerial views".into()), ..UpdateService::default() };
        update(&app.by(&worker), service.id, title).await.unwrap();
        assert_eq!(found(&test, &of).await, ["Aerial views"]);
        test.close().await;
    }
}

fn new_service(title: &str) -> NewService {
    super::new(title)
}

/// The names of the beginning are there in four languages, and each word of them finds its category.
#[tokio::test]
async fn the_first_categories_have_names_in_four_languages() {
    for test in testing::apps().await {
        let worker = test.approved_worker().await;
        let all = super::super::categories(test.app()).await.unwrap();
        assert_eq!(all.len(), Category::FIRST.len());
        for category in all.iter() {
            assert_eq!(category.names.keys().map(String::as_str).collect::<Vec<_>>(), ["de", "en", "es", "fr"]);
        }
        let named = |key: Category, languages: &[&str]| {
            let languages: Vec<String> = languages.iter().map(|language| (*language).to_owned()).collect();
            all.iter().find(|category| category.code == key).unwrap().named_in(&languages).name
        };
        assert_eq!(named(Category::Moving, &["de-at", "en"]), "Umzug und Transport");
        assert_eq!(named(Category::Moving, &["pt", "fr"]), "Déménagement et transport");
        assert_eq!(named(Category::Moving, &["pt"]), "Moving and transport");
        published(&test, &worker, NewService { category: Category::Moving, ..new_service("Whatever it is") }).await;
        for words in ["Umzug", "déménagement", "mudanzas", "Umzug und Transport", "déménagement et transport"] {
            assert_eq!(found(&test, &q(words)).await, ["Whatever it is"], "{words}");
        }
        test.close().await;
    }
}

/// A category is merged while people search: its key stands for the other one at once, and services follow.
#[tokio::test]
async fn a_category_is_merged_into_another_one() {
    for test in testing::apps().await {
        let app = test.app();
        let (admin, support, worker) =
            (test.actor(Role::Admin).await, test.actor(Role::Support).await, test.approved_worker().await);
        let (drones, kites): (Category, Category) = ("drones".parse().unwrap(), "kites".parse().unwrap());
        for (key, name, parent) in [(drones, "Drones", None), (kites, "Kites", Some(drones))] {
            let new = NewCategory { key, names: names(&[("en", name)]), parent, position: None };
            create_category(&app.by(&admin), new).await.unwrap();
        }
        let flights = published(&test, &worker, NewService { category: drones, ..new_service("Flights") }).await;
        let views =
            published(&test, &worker, NewService { category: Category::Photography, ..new_service("Views") }).await;
        let draft = create(&app.by(&worker), NewService { category: drones, ..new_service("A draft") }).await.unwrap();

        let merge =
            async |who: &Actor, key, into, change: Change| merge_category(&app.by(who).with(change), key, into).await;
        let plain = Change::default;
        refused(merge(&support, drones, Category::Photography, plain()).await, ErrorCode::Forbidden);
        refused(merge(&admin, "unknown".parse().unwrap(), Category::Photography, plain()).await, ErrorCode::NotFound);
        for into in [drones, kites, "unknown".parse().unwrap()] {
            refused(merge(&admin, drones, into, plain()).await, ErrorCode::Invalid);
        }
        let stale = Change { if_version: Some(9), ..plain() };
        refused(merge(&admin, drones, Category::Photography, stale).await, ErrorCode::PreconditionFailed);
        let dry = Change { dry_run: true, ..plain() };
        let would = merge(&admin, drones, Category::Photography, dry).await.unwrap();
        assert_eq!((would.changed, would.item.services.value, would.item.services.capped), (true, 2, false));
        assert_eq!(get(app, flights.id).await.unwrap().category, drones, "a dry run");

        let merged = merge(&admin, drones, Category::Photography, plain()).await.unwrap();
        let CategoryDetail { active, merged_into, moving, version, .. } = merged.item.category;
        assert_eq!((active, merged_into, moving, version), (false, Some(Category::Photography), false, 3));
        assert!(!merge(&admin, drones, Category::Photography, plain()).await.unwrap().changed, "the same again");
        refused(merge(&admin, drones, Category::Pets, plain()).await, ErrorCode::Conflict);
        refused(merge(&admin, drones, drones, plain()).await, ErrorCode::Conflict);
        let parts = staff_categories(&app.by(&admin)).await.unwrap().items;
        assert_eq!(parts.iter().find(|part| part.key == kites).unwrap().parent, Some(Category::Photography));
        let moved = get(app, flights.id).await.unwrap();
        assert_eq!((moved.category, moved.version), (Category::Photography, flights.version + 1));
        assert_eq!(own_one(&app.by(&worker), draft.id).await.unwrap().category, Category::Photography);
        let mail = UpdateCategory { active: Some(true), ..UpdateCategory::default() };
        refused(update_category(&app.by(&admin), drones, mail).await, ErrorCode::Conflict);
        refused(
            create(&app.by(&worker), NewService { category: drones, ..new_service("More") }).await,
            ErrorCode::Invalid,
        );

        // What was merged is nothing to be a part of, or to be merged into.
        let part = UpdateCategory { parent: Patch::Set(drones), ..UpdateCategory::default() };
        let wrong = update_category(&app.by(&admin), Category::Pets, part).await.unwrap_err();
        assert!(wrong.fields()[0].detail.contains("merged into photography"), "{wrong:?}");
        for (into, why) in [
            (drones, "merged into photography"),
            (Category::Pets, "the category itself"),
            ("unknown".parse().unwrap(), "none of the categories"),
        ] {
            let wrong = merge(&admin, Category::Pets, into, plain()).await.unwrap_err();
            assert!(wrong.fields()[0].detail.contains(why), "{wrong:?}");
        }

        // Old filters and what the name meant find the other category, also while a service is still on its way.
        let both = ["Flights", "Views"];
        let check = async || {
            for key in [drones, Category::Photography] {
                let filter = SearchFilter { category: Some(key), facets: Some(true), ..SearchFilter::default() };
                let mut all = found(&test, &filter).await;
                all.sort_unstable();
                assert_eq!(all, both, "{key}");
                let facets = search(app, &filter, &PageRequest::first(10)).await.unwrap().facets.unwrap();
                assert_eq!(
                    facets.categories.iter().map(|facet| (facet.category, facet.count)).collect::<Vec<_>>(),
                    [(Category::Photography, 2)]
                );
                let sorted = SearchFilter { sort: Some(ServiceSort::Rating), ..filter };
                assert_eq!(found(&test, &sorted).await.len(), 2, "{key}");
            }
            let mut all = found(&test, &q("drones")).await;
            all.sort_unstable();
            assert_eq!(all, both);
        };
        check().await;
        let text = search_text(&NewService { category: drones, ..new_service("Flights") }, "Worker");
        app.db
            .write(move |conn| {
                async move {
                    set_category(conn, flights.id, drones, &text, flights.published_at.unwrap()).await?;
                    q!(conn => exec, "UPDATE categories SET moving = TRUE WHERE key = $1", drones)?;
                    Ok(())
                }
                .boxed()
            })
            .await
            .unwrap();
        test.advance(std::time::Duration::from_secs(2));
        assert_eq!(get(app, flights.id).await.unwrap().category, drones);
        check().await;
        assert_eq!(move_merged(app).await.unwrap(), 1);
        assert_eq!(move_merged(app).await.unwrap(), 0);
        check().await;

        // What it was merged into is merged as well.
        merge(&admin, Category::Photography, Category::Design, plain()).await.unwrap();
        let filter = SearchFilter { category: Some(drones), ..SearchFilter::default() };
        assert_eq!(found(&test, &filter).await.len(), 2);
        assert_eq!(get(app, views.id).await.unwrap().category, Category::Design);
        assert_eq!(found(&test, &q("photographer")).await.len(), 2, "what the table of words says follows");
        test.close().await;
    }
}
