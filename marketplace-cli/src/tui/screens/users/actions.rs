//! Staff actions on users: confirmation, the change, and its repetition.

use marketplace_core::staff::{
    self, Connection, CreateUser, ExportUser, NewUserInput, NoteInput, WhyQuery, WriteUserNote,
};
use std::{fmt::Write as _, path::Path};

use futures::{StreamExt, future::BoxFuture};
use marketplace_core::{
    accounts::model::{NewUser, UserAction},
    base::{
        change::{Change, IdentityProof, RestrictionReason},
        permission::Role,
    },
    error::Result,
    ids::UserId,
    platform::new_file::{NewFile, require_free},
};

use super::{
    super::super::{
        browser::{
            Target,
            filter::{Typed, quoted},
            heading,
        },
        bulk::Bulk,
        confirmation,
        ctx::Ctx,
        text,
        widgets::form::{Choice, Filled, Form},
    },
    Came, Intent, Last, Users,
};

/// Returns the reasons, each with a letter, the same everywhere.
fn reasons() -> Vec<Choice> {
    RestrictionReason::ALL
        .iter()
        .map(|reason| {
            let key = match reason {
                RestrictionReason::Fraud => 'f',
                RestrictionReason::Spam => 's',
                RestrictionReason::Abuse => 'a',
                RestrictionReason::Underage => 'u',
                RestrictionReason::Identity => 'i',
                RestrictionReason::Security => 'c',
                RestrictionReason::PaymentDispute => 'p',
                RestrictionReason::UserRequest => 'r',
                RestrictionReason::Other => 'o',
            };
            Choice::of(key, reason.as_str())
        })
        .collect()
}

fn roles() -> Vec<Choice> {
    Role::ALL
        .iter()
        .map(|role| {
            let key = match role {
                Role::Client => 'c',
                Role::Worker => 'w',
                Role::Support => 's',
                Role::Admin => 'a',
                Role::Auditor => 'u',
            };
            let label = if role.is_staff() { format!("{role}  (staff)") } else { role.to_string() };
            Choice { key, label, template: "" }
        })
        .collect()
}

/// Returns the title, the consequence, and the text when done.
fn wording(action: &UserAction) -> (&'static str, &'static str, &'static str) {
    match action {
        UserAction::Freeze => ("Freeze", "May log in and finish what is under way; nothing new.", "frozen"),
        UserAction::Unfreeze => ("Unfreeze", "Back to what the account was.", "unfrozen"),
        UserAction::Ban => ("Ban", "May not log in; every session ends at once.", "banned"),
        UserAction::Unban => ("Unban", "Back to what the account was.", "unbanned"),
        UserAction::Delete => ("Delete", "Erases personal data and files for good. This cannot be undone.", "deleted"),
        UserAction::SetRole { .. } => ("Change the role of", "Takes effect at once.", "has the new role"),
        UserAction::ResetTotp => {
            ("Remove the second factor of", "A password will do to log in.", "second factor removed")
        }
        UserAction::RevokeSessions => ("End every session of", "They have to log in again.", "sessions ended"),
    }
}

/// Writes everything that is stored of a user into a new file; an interrupted export leaves nothing.
async fn export(api: &Connection, id: UserId, path: &Path) -> Result<u64> {
    // Each export is audited, so what cannot be written is not fetched.
    require_free(path)?;
    let mut export = api.call::<ExportUser>(id, WhyQuery::default(), ()).await?;
    let mut file = NewFile::create(path)?;
    while let Some(piece) = export.body.next().await {
        file.write(&piece?)?;
    }
    file.finish()
}

impl Users {
    /// Asks for a reason, or only for confirmation.
    pub(super) fn ask(&mut self, action: &UserAction, ctx: &mut Ctx) {
        self.ask_with(action, None, None, ctx);
    }

    fn ask_with(&mut self, action: &UserAction, reason: Option<RestrictionReason>, note: Option<&str>, ctx: &mut Ctx) {
        let targets = self.browser.targets();
        if targets.is_empty() {
            return;
        }
        let (verb, means, _) = wording(action);
        let mut form = Form::new(heading(verb, &targets, "users")).line(means).line("");
        form = form.about(targets.iter().map(|target| target.id));
        if action.needs_reason() {
            let picked: Vec<usize> =
                RestrictionReason::ALL.iter().position(|known| Some(*known) == reason).into_iter().collect();
            form = form.choices(reasons(), false).with_picked(&picked).with_note(note);
        }
        let act = match action {
            UserAction::Delete => confirmation::DELETE,
            UserAction::RevokeSessions => confirmation::END_SESSIONS,
            UserAction::SetRole { .. } => confirmation::ROLE,
            _ => confirmation::UNDOABLE,
        };
        form = form.confirmed_by(act, targets.len());
        if *action == UserAction::Delete {
            form = form.danger();
        }
        ctx.ask(form, Intent::Act(action.clone(), targets));
    }

    pub(super) fn ask_role(&mut self, before: Option<Role>, ctx: &mut Ctx) {
        let targets = self.browser.targets();
        if targets.is_empty() {
            return;
        }
        let action = UserAction::SetRole { role: Role::Client };
        let (verb, means, _) = wording(&action);
        let now = self.browser.subject().filter(|_| targets.len() == 1).map(|user| user.role);
        let now: Vec<usize> = Role::ALL.iter().position(|role| Some(*role) == before.or(now)).into_iter().collect();
        let form = Form::new(heading(verb, &targets, "users"))
            .line(means)
            .line("")
            .choices(roles(), false)
            .with_picked(&now)
            .confirmed_by(confirmation::ROLE, targets.len());
        ctx.ask(form, Intent::Act(action, targets));
    }

    pub(super) fn ask_note(&mut self, ctx: &mut Ctx) {
        let targets = self.browser.targets();
        if targets.is_empty() {
            return;
        }
        let form = Form::new(heading("Note on", &targets, "users"))
            .line("Only staff see it; it is erased with the account.")
            .line("")
            .with_needed_note()
            .about(targets.iter().map(|target| target.id))
            .confirmed_by(confirmation::UNDOABLE, targets.len());
        ctx.ask(form, Intent::Note(targets));
    }

    pub(super) fn ask_reset(&mut self, ctx: &mut Ctx) {
        let targets = self.browser.targets();
        if targets.is_empty() {
            return;
        }
        let (verb, means, _) = wording(&UserAction::ResetTotp);
        let choices = "pvkic".chars().zip(IdentityProof::ALL);
        let form = Form::new(heading(verb, &targets, "users"))
            .line(means)
            .line("How did you make sure who asks?")
            .line("")
            .choices(choices.map(|(key, proof)| Choice::of(key, proof.as_str())).collect(), false)
            .with_note(None)
            .about(targets.iter().map(|target| target.id))
            .confirmed_by(confirmation::RESET_TOTP, targets.len());
        ctx.ask(form, Intent::Reset(targets));
    }

    pub(super) fn ask_new(ctx: &mut Ctx) {
        let form = Form::new("New account")
            .line("A mail lets its owner set the password.")
            .line("")
            .choices(roles(), false)
            .with_input("name", true)
            .with_input("email", true)
            .with_input("phone (+44…, if any)", false)
            .about(["new account"])
            .confirmed_by(confirmation::ROLE, 1);
        ctx.ask(form, Intent::Create);
    }

    pub(super) fn ask_export(&mut self, ctx: &mut Ctx) {
        let Some(user) = self.browser.subject() else { return };
        let (id, name) = (user.id, text::clean(&user.name).into_owned());
        let form = Form::new(format!("Export {name}"))
            .line("Everything that is stored of them, as a ZIP archive that only you can read.")
            .line("")
            .with_input("new file", true)
            .filled_with(format!("user-{id}.zip"))
            .about([id]);
        ctx.ask(form, Intent::Export(id));
    }

    /// Repeats the latest action on the next row; asks again, with everything filled in.
    pub(super) fn repeat(&mut self, ctx: &mut Ctx) {
        let Some(last) = self.last.clone() else {
            ctx.say("nothing to repeat yet");
            return;
        };
        if !self.browser.advance(ctx) {
            return;
        }
        if let UserAction::SetRole { role } = last.action {
            return self.ask_role(Some(role), ctx);
        }
        self.ask_with(&last.action, last.reason, last.note.as_deref(), ctx);
    }

    /// Handles a confirmed form.
    pub(super) fn go_ahead(&mut self, intent: Intent, filled: Filled, ctx: &mut Ctx) {
        match intent {
            Intent::Act(action, targets) => {
                let picked = filled.picked.first().copied();
                let (action, reason) = match action {
                    UserAction::SetRole { .. } => match picked.and_then(|at| Role::ALL.get(at)) {
                        Some(role) => (UserAction::SetRole { role: *role }, None),
                        None => return,
                    },
                    other => (other, picked.and_then(|at| RestrictionReason::ALL.get(at)).copied()),
                };
                self.last = Some(Last { action: action.clone(), reason, note: filled.note.clone() });
                let change = Change { reason, note: filled.note, ..Change::default() };
                self.change(action, &targets, &change, ctx);
            }
            Intent::Reset(targets) => {
                let proof = filled.picked.first().and_then(|at| IdentityProof::ALL.get(*at)).copied();
                let change = Change { proof, note: filled.note, ..Change::default() };
                self.change(UserAction::ResetTotp, &targets, &change, ctx);
            }
            Intent::Create => {
                let role = filled.picked.first().and_then(|at| Role::ALL.get(*at)).copied();
                let ([name, email, phone], Some(role)) = (filled.inputs.as_slice(), role) else { return };
                let phone = Some(phone.clone()).filter(|phone| !phone.is_empty());
                let new = NewUser { role, email: email.clone(), name: name.clone(), phone };
                let input = NewUserInput::new(new, Change::default());
                self.making = Some(ctx.act(format!("creating {name}"), Came::Created, |api| async move {
                    api.call::<CreateUser>((), (), input).await
                }));
            }
            Intent::Export(id) => {
                let Some(path) = filled.inputs.first().cloned() else { return };
                self.exporting = Some(ctx.act(format!("exporting into {path}"), Came::Exported, |api| async move {
                    let size = export(&api, id, Path::new(&path)).await?;
                    Ok((size, path))
                }));
                ctx.say("exporting…");
            }
            Intent::Note(targets) => {
                let Some(body) = filled.note else { return };
                let note = move |api: Connection, id| -> BoxFuture<'static, _> {
                    let body = body.clone();
                    Box::pin(async move {
                        api.call::<WriteUserNote>(id, (), NoteInput::new(&body, &Change::default())).await
                    })
                };
                if let [one] = targets.as_slice() {
                    let load = ctx.act(format!("Note on {}", one.name), Came::Noted, |api| note(api, one.id));
                    self.noting.push((load, one.name.clone()));
                } else {
                    let heading = heading("Note on", &targets, "users");
                    self.browser.list.acting_on(targets.iter().map(|target| target.id));
                    ctx.bulk(Bulk::new(heading, targets.into_iter().map(|target| (target.name, target.id)), note));
                }
            }
        }
    }

    fn change(&mut self, action: UserAction, targets: &[Target<UserId>], change: &Change, ctx: &mut Ctx) {
        let (verb, _, done) = wording(&action);
        let change = change.clone();
        self.browser.change(targets, verb, done, ctx, move |api, id, if_version| {
            let (action, change) = (action.clone(), Change { if_version, ..change.clone() });
            Box::pin(async move { staff::act_on_user(&api, id, &action, change.clone()).await })
        });
    }

    pub(super) fn command_lines(&self) -> Vec<String> {
        let flags = self.browser.list.bar.filter.flags();
        let mut lines = vec![format!("marketplace users list{flags}")];
        if let Some(user) = self.browser.subject() {
            lines.push(format!("marketplace users show {}", user.id));
        }
        // A command that erases is not handed out to be run once more.
        if let Some(last) = self.last.as_ref().filter(|last| last.action != UserAction::Delete) {
            let mut rest = String::new();
            if let UserAction::SetRole { role } = last.action {
                let _ = write!(rest, " --role {role}");
            }
            if let Some(reason) = last.reason {
                let _ = write!(rest, " --reason {reason}");
            }
            if let Some(note) = &last.note {
                let _ = write!(rest, " --note {}", quoted(note));
            }
            lines.extend(self.browser.command(&format!("marketplace users {}", last.action.name()), &rest));
        }
        lines
    }
}
