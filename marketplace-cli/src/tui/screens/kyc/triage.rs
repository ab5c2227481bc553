//! Setting cases aside: until a time, for a colleague, or for the admins.

use std::time::Duration;

use marketplace_core::{
    accounts::{
        model::Status,
        summary::{UserFilter, UserSummary},
    },
    base::{
        change::{Change, Changed},
        permission::{Permission, Role, permissions},
    },
    error::Result,
    kyc::model::{KycCase, Triage},
    page::{MAX_LIMIT, PageRequest},
    staff::{self, Connection, ListQuery, ListUsers},
};

use super::{
    super::super::{
        bulk::Bulk,
        confirmation,
        ctx::Ctx,
        keymap::Action,
        message::LoadId,
        text,
        widgets::form::{Choice, Filled, Form},
    },
    ASSIGN, Came, Kyc, SNOOZE,
    decision::Cases,
};

/// How long a case can be set aside, each with its key.
const SPANS: [(char, &str, u64); 6] = [
    ('h', "an hour", 1),
    ('f', "four hours", 4),
    ('d', "a day", 24),
    ('t', "three days", 72),
    ('w', "a week", 168),
    ('n', "now, no longer", 0),
];
/// Colleagues who are offered at most, each under a letter.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

/// What is to be done, and with which cases.
pub struct Aside {
    choices: Vec<Triage>,
    cases: Cases,
}

impl Kyc {
    /// Asks until when, for whom, or why, about the marked cases or the one that keys apply to.
    pub(super) fn set_aside(&mut self, action: Action, ctx: &mut Ctx) {
        let marked = self.list.rows.marked();
        let cases: Cases = if marked.is_empty() {
            self.subject()
                .into_iter()
                .filter(|row| row.status.is_open())
                .map(|row| (row.id, row.name.clone()))
                .collect()
        } else {
            marked.iter().map(|row| (row.id, row.name.clone())).collect()
        };
        if let Some(claim) = self.subject().and_then(|row| row.claim.as_ref()).filter(|_| marked.is_empty())
            && !claim.mine
            && claim.expires_at > ctx.now()
        {
            let left = text::countdown(claim.expires_at.since(ctx.now()));
            let holder = text::clean(&claim.label).into_owned();
            ctx.refuse(format!("{holder} has this case for {left} more"));
            return;
        }
        let about = match cases.as_slice() {
            [] => {
                ctx.refuse("only a case that waits can be set aside, assigned or escalated");
                return;
            }
            [(_, name)] => text::clean(name).into_owned(),
            many => format!("{} cases", many.len()),
        };
        match action {
            SNOOZE => Self::ask_aside(snooze(&about, ctx), cases, ctx),
            // Who may be given a case can have changed since the console was started.
            ASSIGN => {
                let load = ctx.load(Came::Reviewers, |api| async move { reviewers(&api).await });
                self.assigning = Some((load, about, cases));
            }
            _ => {
                let form = Form::new(format!("Escalate · {about}")).with_needed_note();
                Self::ask_aside((form, vec![Triage::Escalate]), cases, ctx);
            }
        }
    }

    fn ask_aside((form, choices): (Form, Vec<Triage>), cases: Cases, ctx: &mut Ctx) {
        let form = form.about(cases.iter().map(|(id, _)| *id)).confirmed_by(confirmation::UNDOABLE, cases.len());
        ctx.ask(form, Aside { choices, cases });
    }

    /// Handles the names of those who may be given a case.
    pub(super) fn reviewers_came(&mut self, id: LoadId, answer: Result<Vec<UserSummary>>, ctx: &mut Ctx) {
        let Some((_, about, cases)) = self.assigning.take_if(|(load, ..)| *load == id) else { return };
        match answer {
            Ok(people) => Self::ask_aside(assign(&about, &people), cases, ctx),
            Err(error) => ctx.fail("colleagues", &error),
        }
    }

    /// Handles a confirmed form: one case goes from the screen at once, as after a decision.
    pub(super) fn put_aside(&mut self, Aside { choices, cases }: Aside, filled: Filled, ctx: &mut Ctx) {
        let at = filled.picked.first().copied().unwrap_or_default();
        let Some(what) = choices.get(at).copied() else { return };
        let change = Change { note: filled.note, ..Change::default() };
        let doing = what.act();
        if let [(id, name)] = cases.as_slice()
            && let Some(mut open) = self.open.take_if(|open| open.id() == *id)
        {
            let id = *id;
            let load = ctx.act(format!("{doing}: {}", text::clean(name)), Came::SetAside, |api| async move {
                staff::triage(&api, id, what, change).await
            });
            open.rest();
            self.aside.push((load, open));
            self.list.rows.clear_marks();
            if self.shows_open() {
                self.list.rows.remove(id);
                self.advance(ctx);
            } else {
                self.in_case = false;
            }
            return;
        }
        self.open.take_if(|open| cases.iter().any(|(id, _)| *id == open.id()));
        self.in_case &= self.open.is_some();
        self.list.acting_on(cases.iter().map(|(id, _)| *id));
        let heading = format!("{} · {} cases", text::words(doing.as_str()), cases.len());
        ctx.bulk(Bulk::new(heading, cases.into_iter().map(|(id, name)| (name, id)), move |api, id| {
            let change = change.clone();
            Box::pin(async move { staff::triage(&api, id, what, change).await })
        }));
    }

    /// Handles the result; after a failure the case is back on the screen.
    pub(super) fn set_aside_came(&mut self, id: LoadId, answer: Result<Changed<KycCase>>, ctx: &mut Ctx) {
        let Some(at) = self.aside.iter().position(|(load, _)| *load == id) else { return };
        let (_, open) = self.aside.remove(at);
        match answer {
            Ok(changed) => {
                let attempt = &changed.item.attempt;
                let what = match (&attempt.assignee, attempt.snoozed_until) {
                    (_, Some(until)) => format!("set aside until {}", text::exact(until, ctx.times)),
                    (Some(assignee), _) => format!("given to {}", text::clean(&assignee.name)),
                    _ if attempt.escalated_at.is_some() => "escalated to the admins".to_owned(),
                    _ => "back in the queue".to_owned(),
                };
                ctx.say(format!("{}: {what}", text::clean(open.name())));
            }
            Err(error) => {
                ctx.fail(&format!("{} stays", open.name()), &error);
                self.bring_back(open, ctx);
            }
        }
        self.list.rows.refresh();
    }
}

fn snooze(about: &str, ctx: &Ctx) -> (Form, Vec<Triage>) {
    let choices = SPANS.map(|(key, label, _)| Choice { key, label: label.into(), template: "" });
    // Without a time, it is taken up again.
    let until =
        |hours: u64| Triage::Snooze { until: (hours > 0).then(|| ctx.now() + Duration::from_secs(hours * 3_600)) };
    let form = Form::new(format!("Set aside · {about}")).choices(choices.to_vec(), false).with_note(None);
    (form, SPANS.iter().map(|(_, _, hours)| until(*hours)).collect())
}

fn assign(about: &str, people: &[UserSummary]) -> (Form, Vec<Triage>) {
    let mut choices = vec![Choice { key: '0', label: "nobody: back to everybody".into(), template: "" }];
    let mut whom = vec![Triage::Assign { to: None }];
    for (key, person) in LETTERS.chars().zip(people) {
        choices.push(Choice { key, label: text::clean(&person.name).into_owned(), template: "" });
        whom.push(Triage::Assign { to: Some(person.id) });
    }
    (Form::new(format!("Assign · {about}")).choices(choices, false).with_note(None), whom)
}

/// Returns those who may decide identity checks, by name.
async fn reviewers(api: &Connection) -> Result<Vec<UserSummary>> {
    let mut people = Vec::new();
    for role in Role::ALL.iter().copied().filter(|role| permissions(*role).contains(&Permission::KycWrite)) {
        let filter = UserFilter { role: Some(role), status: Some(Status::Active), ..UserFilter::default() };
        let page = PageRequest::first(MAX_LIMIT);
        people.extend(api.call::<ListUsers>((), ListQuery::new(&filter, &page), ()).await?.items);
    }
    people.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(people)
}
