use super::*;
use crate::{
    base::{
        change::Changed,
        error::{ErrorCode, Result},
        patch::Patch,
        permission::Role,
    },
    services::model::{CategoryDetail, Names, NewCategory, SuggestFilter, UpdateCategory},
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
