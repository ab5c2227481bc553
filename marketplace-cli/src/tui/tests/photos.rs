//! Photos of services: seen, enlarged, removed; and of what was reported.

use std::time::Duration;

use marketplace_core::{
    base::permission::Role,
    ids::ServiceId,
    kyc::model::FileKind,
    reports::{
        self,
        model::{NewReport, ReportReason, ReportTarget},
    },
    services,
};

use super::{
    Console, changes, options,
    system::{self, System, world},
};

/// The first worker's service, with two photos.
async fn with_photos(system: &System) -> ServiceId {
    let id = ServiceId(system::service_id(0));
    for (place, alt) in [(1, "The tap"), (2, "")] {
        let photo = world::picture_of(FileKind::Document, (320, 240));
        services::put_photo(&system.user(0, Role::Worker), id, place, alt, photo).await.unwrap();
    }
    id
}

fn draws(console: &Console) -> bool {
    let screen = console.screen();
    screen.contains('▀') || screen.contains('▄')
}

#[tokio::test]
async fn photos_are_looked_at_and_removed() {
    let system = System::new(12, 0).await;
    let id = with_photos(&system).await;
    let mut console = Console::start(&system).await;
    console.press("3 J s").await;
    console.later(Duration::from_secs(1)).await;
    console.shows("photo 1 of 2 · ");
    console.shows("“The tap”");
    assert!(draws(&console), "{}", console.screen());
    console.press("]").await;
    console.shows("photo 2 of 2");
    console.shows("no text stands for it");
    console.press("]").await;
    console.shows("that was the last photo");
    console.press("[ z").await;
    console.hides("Services · worker_id:");
    assert!(draws(&console), "{}", console.screen());
    console.press("r + +").await;
    console.shows("↻90° 4×");
    console.press("l j esc").await;
    console.shows("Services · worker_id:");
    console.press("d").await;
    console.shows("Remove a photo of “Fix a leaking tap”");
    console.press("f").await;
    console.confirm("remove").await;
    console.shows("the photo is removed");
    console.shows("photo 1 of 1");
    assert_eq!(services::staff_show(&system.lea(), id).await.unwrap().photos.len(), 1);
    console.press("!").await;
    console.shows("marketplace services remove-photo");
}

/// The first worker's service is reported.
async fn report(system: &System, id: ServiceId) {
    let new = NewReport {
        target_kind: ReportTarget::Service,
        target_id: id.0,
        reason: ReportReason::Scam,
        text: "not their tap".into(),
    };
    reports::file(&system.user(4, Role::Client), new).await.unwrap();
}

/// What was ticked for one photo is not ticked for another one, and the form says which one it is about.
#[tokio::test]
async fn a_tick_for_a_photo_stays_with_that_photo() {
    let system = System::new(12, 0).await;
    let id = with_photos(&system).await;
    report(&system, id).await;
    let mut console = Console::start(&system).await;
    console.press("8 enter ] a P").await;
    console.shows("[x] remove photo 2 of 2");
    console.press("esc a").await;
    console.shows("[x] remove photo 2 of 2");
    console.press("esc [ a").await;
    console.shows("P removes photo 1 of 2 · “The tap”");
    console.shows("[ ] remove photo 1 of 2");
    console.shows("[x] scam");
    console.press("enter").await;
    console.shows("choose what is done too");
    console.press("esc").await;
    assert_eq!(services::staff_show(&system.lea(), id).await.unwrap().photos.len(), 2);
}

/// Where there is no room for the photo, it cannot be removed before it was looked at.
#[tokio::test]
async fn a_photo_that_is_not_on_the_screen_is_not_removed() {
    let system = System::new(12, 0).await;
    let id = with_photos(&system).await;
    report(&system, id).await;
    let mut console = Console::start_with(&system, options(), (60, 16)).await;
    console.press("8 enter").await;
    console.hides("photo 1 of 2");
    console.press("a").await;
    console.shows("No photo can be removed: the photo is not on the screen…");
    console.hides("P [ ] remove");
    console.press("P S enter").await;
    let shown = services::staff_show(&system.lea(), id).await.unwrap();
    assert_eq!((shown.photos.len(), shown.service.closed_reason.is_some()), (2, true));
    console.press("u enter").await;
    console.press("z a").await;
    console.shows("P removes photo 1 of 2 · “The tap”");
    console.press("P enter").await;
    assert_eq!(services::staff_show(&system.lea(), id).await.unwrap().photos.len(), 1);

    let mut console = Console::start_with(&system, options(), (60, 16)).await;
    console.press("3 J s enter").await;
    console.hides("photo 1 of");
    console.press("d").await;
    console.shows("remove photo: the photo is not on the screen");
}

/// Keys are for the service that is shown, whether the list beside it is seen or not.
#[tokio::test]
async fn marks_are_for_what_is_shown() {
    let system = System::new(12, 0).await;
    let id = with_photos(&system).await;
    for size in [(80, 24), (120, 36)] {
        let mut console = Console::start_with(&system, options(), size).await;
        console.press("W").await;
        let is_chosen =
            |console: &Console| console.screen().lines().any(|row| row.contains('▸') && row.contains("Fix a leaking"));
        for _ in 0..20 {
            if is_chosen(&console) {
                break;
            }
            console.press("j").await;
        }
        console.press("enter").await;
        console.shows("photo 1 of 2");
        console.press("space").await;
        console.shows("marked");
        console.press("x").await;
        console.shows("Close “Fix a leaking tap”");
        console.press("esc d").await;
        console.shows("Remove a photo of “Fix a leaking tap”");
        console.press("esc z space").await;
        console.shows("leads back to the service first");
        console.press("esc space").await;
        console.shows("not marked any more");
        console.press("x f enter").await;
        let shown = services::staff_show(&system.lea(), id).await.unwrap();
        assert!(shown.service.closed_reason.is_some(), "{}", console.screen());
        console.press("O enter").await;
    }
}

/// The one that is shown is removed by the decision, in three keys; taking the decision back puts it back.
#[tokio::test]
async fn a_reported_photo_is_removed_by_a_decision() {
    let system = System::new(12, 0).await;
    let id = with_photos(&system).await;
    let photos = services::staff_show(&system.lea(), id).await.unwrap().photos;
    report(&system, id).await;
    let mut console = Console::start(&system).await;
    console.press("8").await;
    console.hides("photo 1 of 2");
    console.press("enter").await;
    console.shows("photo 1 of 2");
    assert!(draws(&console), "{}", console.screen());
    console.press("] a").await;
    console.shows("P removes photo 2 of 2 · no text stands for it");
    console.shows("P  [ ] remove photo 2 of 2");
    changes(&system);
    console.press("P enter").await;
    let left = services::staff_show(&system.lea(), id).await.unwrap().photos;
    assert_eq!(left, photos[..1]);
    console.shows("u undo");
    console.press("!").await;
    console.shows(&format!("--photo {}", photos[1].id));
    console.press("esc u").await;
    assert_eq!(services::staff_show(&system.lea(), id).await.unwrap().photos, photos);
}
