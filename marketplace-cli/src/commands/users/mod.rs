//! `marketplace users`.

mod acting;
mod export;
mod repair;

use marketplace_core::staff::{
    self, Connection, CreateUser, ListQuery, ListUserNotes, ListUsers, NewUserInput, NoteInput, RevealUser, ShowUser,
    WhyQuery, WriteUserNote,
};
use std::path::PathBuf;

use clap::Subcommand;
use marketplace_core::{
    accounts::{
        model::{NewUser, Note, Status, UserAction},
        summary::{UserFilter, UserSummary},
    },
    base::{
        change::{Change, Changed, IdentityProof, RestrictionReason},
        permission::Role,
    },
    error::Error,
    ids::{SessionId, UserId},
    messaging::model::AccessReason,
    page::{MAX_LIMIT, PageRequest},
    time::Timestamp,
    users::model::{PersonalData, SessionFilter, UserDetail},
};
use serde::Deserialize;
use tokio::sync::Mutex;

use self::acting::{Acting, Overrides, describe};
use crate::{
    args::{BatchArgs, ChangeArgs, Range, VersionedArgs, id, moment_ahead, one_of},
    change::{Care, ItemResult},
    context::Context,
    failure::{Failure, Outcome},
    find::{Ref, reference},
};

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Users, newest first; personal data is masked
    #[command(after_help = "Examples:\n  \
        marketplace users list --q 'ada obi'\n  \
        marketplace users list --role worker --status frozen --limit 0 -o id")]
    List {
        /// Beginnings of words of the name; an address, or @ and the beginning of its domain; a number as it is written, or its last digits; or a whole id. Contact data is audited
        #[arg(long, value_name = "TEXT")]
        q: Option<String>,
        /// Only of this role
        #[arg(long, value_parser = one_of::<Role>(Role::NAMES))]
        role: Option<Role>,
        /// Only of this status
        #[arg(long, value_parser = one_of::<Status>(Status::NAMES))]
        status: Option<Status>,
        /// Show personal data in full; audited
        #[arg(long)]
        reveal: bool,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// One user, with restriction, identity checks and notes
    #[command(after_help = "Examples:\n  \
        marketplace users show 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d\n  \
        marketplace users show 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reveal")]
    Show {
        /// The user
        #[arg(value_parser = reference::<UserId>)]
        id: Ref<UserId>,
        /// Show personal data in full; audited
        #[arg(long)]
        reveal: bool,
        /// Why it is shown, for the audit log
        #[arg(long, value_name = "CODE", requires = "reveal", value_parser = one_of::<AccessReason>(AccessReason::NAMES))]
        reason: Option<AccessReason>,
    },
    /// One user's personal data in full, and nothing else; audited
    #[command(
        after_help = "Example:\n  marketplace users reveal 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason dispute -o json"
    )]
    Reveal {
        /// The user
        #[arg(value_parser = reference::<UserId>)]
        id: Ref<UserId>,
        /// Why, for the audit log
        #[arg(long, value_name = "CODE", value_parser = one_of::<AccessReason>(AccessReason::NAMES))]
        reason: Option<AccessReason>,
    },
    /// Everything that is stored of one user, as a ZIP archive; audited
    #[command(
        after_help = "The archive holds personal data: only its owner can read the file, which must not be there yet.\n\n\
        Examples:\n  \
        marketplace users export 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --out data.zip\n  \
        marketplace users export 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --out - > data.zip"
    )]
    Export {
        /// The user
        #[arg(value_parser = reference::<UserId>)]
        id: Ref<UserId>,
        /// Why, for the audit log
        #[arg(long, value_name = "CODE", value_parser = one_of::<AccessReason>(AccessReason::NAMES))]
        reason: Option<AccessReason>,
        /// Where the archive goes; `-` for stdout
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Put name, address or number right
    #[command(
        after_help = "A new address takes effect when it is confirmed with the link that goes there; the old one is told. Of a new name\n\
        or number the owner is told. Lines of --stdin may override: name, email, phone, reason, note, if_version.\n\n\
        Examples:\n  \
        marketplace users edit 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --name 'Ada Obi' --reason user_request --yes\n  \
        marketplace users edit 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --phone +442071838750 --reason security --yes"
    )]
    Edit {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// The name
        #[arg(long, required_unless_present_any = ["email", "phone", "stdin"])]
        name: Option<String>,
        /// The new address
        #[arg(long)]
        email: Option<String>,
        /// The number, E.164: +442071838750; an empty one takes it away
        #[arg(long)]
        phone: Option<String>,
        /// Why and how.
        #[command(flatten)]
        acting: Acting,
    },
    /// Warn by mail; the warning stays among the notes
    #[command(after_help = "Lines of --stdin may override: comment, reason, note, if_version.\n\n\
        Example:\n  marketplace users warn 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason spam --comment 'No adverts in threads.'")]
    Warn {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// What the person reads beside the reason
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        /// Why and how.
        #[command(flatten)]
        acting: Acting,
    },
    /// Send the mail again that confirms the address
    #[command(
        after_help = "Example:\n  marketplace users resend-verification 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes"
    )]
    ResendVerification {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        how: VersionedArgs,
    },
    /// Send the mail with which a new password can be set
    #[command(
        after_help = "Example:\n  marketplace users send-password-reset 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes"
    )]
    SendPasswordReset {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        how: VersionedArgs,
    },
    /// A user's live sessions, newest first; or end one
    #[command(after_help = "Examples:\n  \
        marketplace users sessions 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d\n  \
        marketplace users sessions 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --end 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3e --yes")]
    Sessions {
        /// The user
        #[arg(value_parser = reference::<UserId>)]
        id: Ref<UserId>,
        /// End this session; `revoke-sessions` ends all
        #[arg(long, value_name = "SESSION", value_parser = id::<SessionId>)]
        end: Option<SessionId>,
        /// Show IP addresses in full; audited
        #[arg(long, conflicts_with = "end")]
        reveal: bool,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
        /// How the change is made.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Create an account of any role; its owner sets the password through the mail that goes out
    #[command(
        after_help = "Lines of --stdin are JSON objects with role, email, name and, if there is one, phone. A batch can be run again\n\
        within a day: who was created is `unchanged`.\n\n\
        Examples:\n  \
        marketplace users create --role support --email lea@example.org --name 'Lea Ortiz' --yes\n  \
        marketplace users create --stdin --yes --continue-on-error < people.jsonl"
    )]
    Create {
        /// The role
        #[arg(long, required_unless_present = "stdin", value_parser = one_of::<Role>(Role::NAMES))]
        role: Option<Role>,
        /// Where mail reaches them
        #[arg(long, required_unless_present = "stdin")]
        email: Option<String>,
        /// Name
        #[arg(long, required_unless_present = "stdin")]
        name: Option<String>,
        /// Number, E.164: +442071838750
        #[arg(long)]
        phone: Option<String>,
        /// Read the accounts from stdin
        #[arg(long, conflicts_with_all = ["role", "email", "name", "phone"])]
        stdin: bool,
        /// Do not stop a batch at its first failure
        #[arg(long)]
        continue_on_error: bool,
        /// Why and how.
        #[command(flatten)]
        acting: Acting,
    },
    /// Allow no new work
    #[command(after_help = "Lines of --stdin may override: until, reason, note, if_version.\n\n\
        Examples:\n  \
        marketplace users freeze 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason payment_dispute --yes\n  \
        marketplace users freeze 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --until 7d --reason spam --yes")]
    Freeze {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// When it ends by itself: 7d, 12h, 2027-03-02 or 2027-03-02T10:00:00Z
        #[arg(long, value_name = "TIME", value_parser = moment_ahead)]
        until: Option<Timestamp>,
        /// Why and how.
        #[command(flatten)]
        acting: Acting,
    },
    /// End a freeze
    #[command(after_help = "Example:\n  marketplace users unfreeze 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Unfreeze {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// Why and how.
        #[command(flatten)]
        acting: Acting,
    },
    /// Allow no log-in, and end every session
    #[command(after_help = "Examples:\n  \
        marketplace users ban 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason fraud --note 'case 4711'\n  \
        marketplace users ban --stdin --yes --reason spam --continue-on-error < ids.txt")]
    Ban {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// Why and how.
        #[command(flatten)]
        acting: Acting,
    },
    /// End a ban
    #[command(after_help = "Example:\n  marketplace users unban 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Unban {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// Why and how.
        #[command(flatten)]
        acting: Acting,
    },
    /// Erase personal data for good; cannot be taken back
    #[command(
        after_help = "Example:\n  marketplace users delete 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason user_request --yes"
    )]
    Delete {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// Why and how.
        #[command(flatten)]
        acting: Acting,
    },
    /// Change the role
    #[command(
        after_help = "Lines of --stdin may override: reason, note, if_version. Without --role, they say the role.\n\n\
        Example:\n  marketplace users role 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --role support --yes"
    )]
    Role {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// The new role
        #[arg(long, value_parser = one_of::<Role>(Role::NAMES))]
        role: Option<Role>,
        /// Why and how.
        #[command(flatten)]
        acting: Acting,
    },
    /// End every session of a user, and every token for scripts
    #[command(after_help = "Example:\n  marketplace users revoke-sessions 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    RevokeSessions {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// Why and how.
        #[command(flatten)]
        acting: Acting,
    },
    /// Remove the second factor of somebody who lost device and recovery codes
    #[command(
        name = "reset-totp",
        after_help = "Be sure who asks: from then on the password alone logs in. How you made sure stands in the audit log.\n\
        Lines of --stdin may override: proof, reason, note, if_version.\n\n\
        Example:\n  marketplace users reset-totp 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --proof video_call --yes"
    )]
    ResetTotp {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How you made sure who asks
        #[arg(long, value_name = "CODE", required_unless_present = "stdin", value_parser = one_of::<IdentityProof>(IdentityProof::NAMES))]
        proof: Option<IdentityProof>,
        /// Why and how.
        #[command(flatten)]
        acting: Acting,
    },
    /// Write a note on a user, or list the notes when no text is given
    #[command(after_help = "Examples:\n  \
        marketplace users note 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d 'called, will send a new photo' --yes\n  \
        marketplace users note 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d")]
    Note {
        /// The user
        #[arg(value_parser = reference::<UserId>)]
        id: Ref<UserId>,
        /// The note (or --note); without one, the notes there are
        #[arg(conflicts_with = "note")]
        body: Option<String>,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
        /// How the change is made.
        #[command(flatten)]
        change: ChangeArgs,
    },
}

/// Runs a verb.
#[expect(clippy::too_many_lines, reason = "a line or two for each verb")]
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    let out = &context.out;
    match verb {
        Verb::List { q, role, status, reveal, range } => {
            out.check::<UserSummary>()?;
            let api = context.connect().await?;
            let range = Range { is_reordered: q.is_some(), ..range };
            if q.as_ref().is_some_and(|q| !q.contains(char::is_alphanumeric)) {
                return Err(Failure::usage(
                    "--q has neither a letter nor a digit, so there is nothing to search for",
                    "leave it away to list everybody",
                ));
            }
            let filter = UserFilter { q, role, status, reveal };
            context
                .stream(&range, async |page| api.call::<ListUsers>((), ListQuery::new(&filter, &page), ()).await)
                .await
        }
        Verb::Show { id, reveal, reason } => {
            out.check::<UserDetail>()?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            let mut detail = api.call::<ShowUser>(id, (), ()).await?;
            if reveal {
                let data = api.call::<RevealUser>(id, WhyQuery { reason }, ()).await?;
                (detail.user.name, detail.user.email, detail.user.phone) = (data.name, data.email, data.phone);
            }
            out.item(&detail)
        }
        Verb::Reveal { id, reason } => {
            out.check::<PersonalData>()?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            let data = api.call::<RevealUser>(id, WhyQuery { reason }, ()).await?;
            out.item(&data)
        }
        Verb::Export { id, reason, out } => export::run(context, &id, WhyQuery { reason }, &out).await,
        Verb::Edit { batch, name, email, phone, acting } => {
            repair::edit(context, &batch, repair::Fields { name, email, phone }, acting).await
        }
        Verb::Warn { batch, comment, acting } => repair::warn(context, &batch, comment, acting).await,
        Verb::ResendVerification { batch, how } => repair::resend(context, &batch, &how).await,
        Verb::SendPasswordReset { batch, how } => repair::reset(context, &batch, &how).await,
        Verb::Sessions { id, end, reveal, range, change } => {
            repair::sessions(context, &id, end, SessionFilter { reveal }, &range, &change).await
        }
        Verb::Create { role: Some(role), email: Some(email), name: Some(name), phone, acting, .. } => {
            context.check_change::<Changed<UserDetail>>(&acting.change)?;
            context.confirm(&format!("Make the {role} account {email} for {name}?"), &acting.change, Care::Ask).await?;
            let new = NewUser { role, email, name, phone };
            let made = context
                .connect()
                .await?
                .call::<CreateUser>((), (), NewUserInput::new(new.clone(), acting.change(&Overrides::default())))
                .await?;
            context.print_change(&made, &acting.change)
        }
        Verb::Create { continue_on_error, acting, .. } => create_all(context, continue_on_error, &acting).await,
        Verb::Freeze { batch, until, acting } => {
            let acting = Acting { until, ..acting };
            act(context, "Freeze", &batch, &acting, Action::Fixed(UserAction::Freeze)).await
        }
        Verb::Unfreeze { batch, acting } => {
            act(context, "Unfreeze", &batch, &acting, Action::Fixed(UserAction::Unfreeze)).await
        }
        Verb::Ban { batch, acting } => act(context, "Ban", &batch, &acting, Action::Fixed(UserAction::Ban)).await,
        Verb::Unban { batch, acting } => act(context, "Unban", &batch, &acting, Action::Fixed(UserAction::Unban)).await,
        Verb::Delete { batch, acting } => {
            act(context, "Erase for good", &batch, &acting, Action::Fixed(UserAction::Delete)).await
        }
        Verb::RevokeSessions { batch, acting } => {
            act(context, "End every session of", &batch, &acting, Action::Fixed(UserAction::RevokeSessions)).await
        }
        Verb::ResetTotp { batch, proof, acting } => {
            let acting = Acting { proof, ..acting };
            act(context, "Remove the second factor of", &batch, &acting, Action::Fixed(UserAction::ResetTotp)).await
        }
        Verb::Role { batch, role, acting } => {
            if role.is_none() && !batch.stdin {
                return Err(Failure::usage("the new role is missing", "add --role ROLE"));
            }
            let verb = role.map_or_else(|| "Change the role of".to_owned(), |role| format!("Make a {role} of"));
            act(context, &verb, &batch, &acting, Action::Role(role)).await
        }
        Verb::Note { id, body, range, change } => {
            let Some(body) = body.as_ref().or(change.note.as_ref()) else {
                out.check::<Note>()?;
                let api = context.connect().await?;
                let id = id.find(&api).await?;
                return context
                    .stream(&range, async |page| api.call::<ListUserNotes>(id, page.clone(), ()).await)
                    .await;
            };
            context.check_change::<Changed<Note>>(&change)?;
            context.confirm("Write the note?", &change, Care::Light).await?;
            let asked = Change { dry_run: change.dry_run, ..Change::default() };
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            let written = api.call::<WriteUserNote>(id, (), NoteInput::new(body, &asked)).await?;
            context.print_change(&written, &change)
        }
    }
}

/// A line of a batch of accounts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLine {
    role: Role,
    email: String,
    name: String,
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    note: Option<String>,
}

async fn create_all(context: &Context, continue_on_error: bool, acting: &Acting) -> Outcome {
    context.out.check::<ItemResult>()?;
    context.confirm("Make every account on stdin?", &acting.change, Care::Ask).await?;
    let api = context.connect().await?;
    let batch = BatchArgs { ids: Vec::new(), stdin: true, continue_on_error };
    let parse = |line: &str| {
        serde_json::from_str::<NewLine>(line)
            .map_err(|error| Failure::Core(Error::invalid("/", format!("is no account: {error}"))))
    };
    let name = |line: &str| parse(line).map_or_else(|_| String::new(), |new| new.email);
    let create = async |line: &str| -> Outcome<(String, bool)> {
        let NewLine { role, email, name, phone, note } = parse(line)?;
        let change = acting.change(&Overrides { note, ..Overrides::default() });
        let input = NewUserInput::new(NewUser { role, email, name, phone }, change);
        let (made, is_repeated) = api.call_once::<CreateUser>("", (), (), input).await?;
        Ok((made.item.user.id.to_string(), made.changed && !is_repeated))
    };
    let run = async |line: &str| match create(line).await {
        // Of a dry run, the account has no id that would stay.
        Ok((_, changed)) if acting.change.dry_run => (name(line), Ok(changed)),
        Ok((id, changed)) => (id, Ok(changed)),
        Err(failure) => (name(line), Err(failure)),
    };
    context.run_batch(&batch, &acting.change, name, run).await
}

enum Action {
    Fixed(UserAction),
    Role(Option<Role>),
}

async fn act(context: &Context, verb: &str, batch: &BatchArgs, acting: &Acting, action: Action) -> Outcome {
    let reason = match &action {
        Action::Fixed(action) if action.needs_reason() => {
            context.reason(acting.reason, RestrictionReason::NAMES, &acting.change).await?
        }
        _ => acting.reason,
    };
    let acting = &Acting { reason, ..acting.clone() };
    let api = context.connect_to_change::<UserDetail>(batch, &acting.change).await?;
    let describe = async |id: UserId| describe(&api, id).await;
    let is_foreseen = acting.change.dry_run && (batch.stdin || batch.ids.len() > 1);
    let foresight = Mutex::new(Foresight::default());
    let apply = async |id: UserId, line: Overrides| -> Outcome<Changed<UserDetail>> {
        let action = match (&action, line.role) {
            (Action::Fixed(action), None) => action.clone(),
            (Action::Role(role), line_role) => UserAction::SetRole {
                // The role of a row of a list is the one that somebody has, and not the one that they are to get.
                role: (*role)
                    .or(line_role)
                    .ok_or_else(|| Failure::usage("the new role is missing", "add --role ROLE"))?,
            },
            (Action::Fixed(_), Some(_)) => return Err(Failure::usage("`role` is for `users role`", "leave it out")),
        };
        let before =
            if is_foreseen && action.disarms() { Some(api.call::<ShowUser>(id, (), ()).await?.user) } else { None };
        let done = staff::act_on_user(&api, id, &action, acting.change(&line)).await?;
        if let Some(before) = before.filter(|_| done.changed) {
            foresight.lock().await.admit(&api, &before).await?;
        }
        Ok(done)
    };
    context.change(verb, batch, &acting.change, Care::Ask, describe, apply).await
}

/// What a dry run of a batch would have done so far, as far as it makes later items fail: each item by itself is tried on
/// what there is now.
#[derive(Default)]
struct Foresight {
    /// Active admins who would be left.
    left: Option<usize>,
}

impl Foresight {
    /// Counts an account that would lose its powers.
    async fn admit(&mut self, api: &Connection, account: &UserSummary) -> Outcome {
        if account.role != Role::Admin || account.status != Status::Active {
            return Ok(());
        }
        let left = match self.left {
            Some(left) => left,
            None => active_admins(api).await?,
        };
        if left <= 1 {
            self.left = Some(left);
            let text = "by then this is the last active admin; make another one first";
            return Err(Error::conflict(text, serde_json::json!({ "status": account.status })).into());
        }
        self.left = Some(left - 1);
        Ok(())
    }
}

async fn active_admins(api: &Connection) -> Outcome<usize> {
    let filter = UserFilter { role: Some(Role::Admin), status: Some(Status::Active), ..UserFilter::default() };
    let (mut page, mut count) = (PageRequest::first(MAX_LIMIT), 0);
    loop {
        let admins = api.call::<ListUsers>((), ListQuery::new(&filter, &page), ()).await?;
        count += admins.items.len();
        match admins.next {
            Some(next) => page.after = Some(next),
            None => return Ok(count),
        }
    }
}
