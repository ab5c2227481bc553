//! Jobs.

use marketplace_core::staff::{self, ListAudit, ListJobHistory, ListJobs, ListQuery, ShowJob, ShowStats};
use marketplace_core::{
    audit::AuditFilter,
    base::{change::Change, permission::Role},
    jobs::model::{JobFilter, JobReason, JobStatus, StaffJobAction},
    page::PageRequest,
    testing::Trade,
};

use crate::{dry, note, script::Script, world::World};

pub async fn jobs(world: &World, trade: &Trade, script: &mut Script) {
    let ((lea, _), (sam, _)) = (world.staff(Role::Admin).await, world.staff(Role::Support).await);
    let all = JobFilter::default();
    let first = sam.call::<ListJobs>((), ListQuery::new(&all, &PageRequest::first(4)), ()).await;
    script.heard("jobs_list first", &first);
    let next = PageRequest { limit: 4, after: first.unwrap().next };
    script.heard("jobs_list next", &sam.call::<ListJobs>((), ListQuery::new(&all, &next), ()).await);
    let bad = PageRequest { limit: 4, after: Some("nonsense".into()) };
    script.heard("jobs_list bad cursor", &sam.call::<ListJobs>((), ListQuery::new(&all, &bad), ()).await);
    script.heard(
        "jobs_list too many",
        &sam.call::<ListJobs>((), ListQuery::new(&all, &PageRequest::first(201)), ()).await,
    );
    let (client, worker) = (trade.client.user_id(), trade.worker.user_id());
    for (name, filter) in [
        ("of a client", JobFilter { user_id: client, ..JobFilter::default() }),
        ("of a worker", JobFilter { user_id: worker, status: Some(JobStatus::Finalized), ..JobFilter::default() }),
        ("of a thread", JobFilter { thread_id: Some(trade.job(JobStatus::Accepted).1), ..JobFilter::default() }),
        (
            "of a client's thread",
            JobFilter { user_id: client, thread_id: Some(trade.job(JobStatus::Rejected).1), ..JobFilter::default() },
        ),
    ] {
        script.heard(
            format!("jobs_list {name}"),
            &sam.call::<ListJobs>((), ListQuery::new(&filter, &PageRequest::default()), ()).await,
        );
    }
    let q = |q: String| JobFilter { q: Some(q), ..JobFilter::default() };
    let (job, _) = trade.job(JobStatus::Accepted);
    let end: String = job.to_string().chars().skip(26).collect();
    for (name, filter) in
        [("of whom q finds", q(client.unwrap().to_string())), ("of an ending", q(end)), ("by name", q("work".into()))]
    {
        let found = sam.call::<ListJobs>((), ListQuery::new(&filter, &PageRequest::default()), ()).await;
        assert!(name == "by name" || found.as_ref().is_ok_and(|page| !page.items.is_empty()), "{name}");
        script.heard(format!("jobs_list {name}"), &found);
    }
    for status in JobStatus::ALL {
        let (id, _) = trade.job(*status);
        let filter = JobFilter { status: Some(*status), ..JobFilter::default() };
        script.heard(
            format!("jobs_list {status}"),
            &sam.call::<ListJobs>((), ListQuery::new(&filter, &PageRequest::default()), ()).await,
        );
        script.heard(format!("jobs_show {status}"), &lea.call::<ShowJob>(id, (), ()).await);
    }
    let (finalized, _) = trade.job(JobStatus::Finalized);
    let page = sam.call::<ListJobHistory>(finalized, PageRequest::first(2), ()).await;
    script.heard("jobs_history first", &page);
    let next = PageRequest { limit: 200, after: page.unwrap().next };
    script.heard("jobs_history next", &sam.call::<ListJobHistory>(finalized, next.clone(), ()).await);
    script.heard("jobs_history too many", &sam.call::<ListJobHistory>(finalized, PageRequest::first(201), ()).await);

    let cancel = || StaffJobAction::Cancel { reason: JobReason::Dispute };
    let at = |version| Change { if_version: Some(version), ..Change::default() };
    for (name, staff, status, action, change) in [
        ("finalize too early", &sam, JobStatus::Negotiating, StaffJobAction::Finalize, Change::default()),
        ("cancel dry", &sam, JobStatus::Negotiating, cancel(), dry()),
        ("cancel at another version", &sam, JobStatus::Negotiating, cancel(), at(99)),
        ("cancel with a long note", &sam, JobStatus::Negotiating, cancel(), note(&"x".repeat(4_001))),
        ("cancel", &sam, JobStatus::Negotiating, cancel(), note("they cannot agree — ünï")),
        ("cancel again", &sam, JobStatus::Negotiating, cancel(), Change::default()),
        ("finalize a cancelled one", &sam, JobStatus::Negotiating, StaffJobAction::Finalize, Change::default()),
        ("cancel an accepted one", &sam, JobStatus::Accepted, cancel(), Change::default()),
        ("cancel a completed one as support", &sam, JobStatus::Completed, cancel(), Change::default()),
        ("cancel a completed one, dry", &lea, JobStatus::Completed, cancel(), dry()),
        ("finalize dry", &sam, JobStatus::Completed, StaffJobAction::Finalize, dry()),
        ("finalize", &sam, JobStatus::Completed, StaffJobAction::Finalize, note("the client is silent")),
        ("finalize again", &lea, JobStatus::Completed, StaffJobAction::Finalize, Change::default()),
        ("cancel a finalized one", &lea, JobStatus::Completed, cancel(), Change::default()),
        ("cancel a rejected one", &lea, JobStatus::Rejected, cancel(), Change::default()),
    ] {
        let (id, _) = trade.job(status);
        script.heard(format!("jobs_act {name}"), &staff::act_on_job(staff, id, &action, change.clone()).await);
        script.heard(format!("jobs_show after {name}"), &lea.call::<ShowJob>(id, (), ()).await);
    }
    for action in ["jobs.cancel", "jobs.finalize"] {
        let filter = AuditFilter { action: Some(action.into()), ..AuditFilter::default() };
        script.heard(
            format!("audit_list {action}"),
            &lea.call::<ListAudit>((), ListQuery::new(&filter, &PageRequest::default()), ()).await,
        );
    }
    script.heard("stats with jobs", &lea.call::<ShowStats>((), (), ()).await);
}
