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
    Console, changes,
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

/// The one that is shown is removed by the decision, in three keys; taking the decision back puts it back.
#[tokio::test]
async fn a_reported_photo_is_removed_by_a_decision() {
    let system = System::new(12, 0).await;
    let id = with_photos(&system).await;
    let photos = services::staff_show(&system.lea(), id).await.unwrap().photos;
    let new = NewReport {
        target_kind: ReportTarget::Service,
        target_id: id.0,
        reason: ReportReason::Scam,
        text: "not their tap".into(),
    };
    reports::file(&system.user(4, Role::Client), new).await.unwrap();
    let mut console = Console::start(&system).await;
    console.press("8").await;
    console.hides("photo 1 of 2");
    console.press("enter").await;
    console.shows("photo 1 of 2");
    assert!(draws(&console), "{}", console.screen());
    console.press("] a").await;
    console.shows("P removes the photo that is shown");
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
