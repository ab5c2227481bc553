//! `marketplace tokens`.

use clap::{
    Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use marketplace_core::staff::{CreateToken, ListQuery, ListTokens, NewTokenInput, RevokeToken};
use marketplace_core::{
    base::{
        change::{Change, Changed},
        permission::Permission,
    },
    ids::{TokenId, UserId},
    tokens::model::{ApiToken, CreatedToken, NewToken, TokenFilter},
};

use crate::{
    args::{self, BatchArgs, ChangeArgs, Range, VersionedArgs},
    change::{Care, Line},
    context::Context,
    failure::{Failure, Outcome},
    find::{Ref, optional, own_account, reference},
};

/// What can be done with tokens for scripts.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a token; its secret is printed this once
    #[command(
        after_help = "A token may do what its scopes say, as long as its owner may. Scripts pass it in MARKETPLACE_TOKEN, or as\n\
        `Authorization: Bearer`. At a database, name the owner: a token belongs to a member of staff.\n\n\
        Examples:\n  \
        marketplace tokens create --name 'Night job' --scope kyc:read --scope stats:read --expires 90d --yes\n  \
        marketplace tokens create --name 'Night job' --scope kyc:read --expires 12h --owner 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes -o json --fields item.secret"
    )]
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// What it may do; several, or with commas between
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',',
            value_parser = scope())]
        scopes: Vec<Permission>,
        /// When it ends, counted from now: 90d, 12h or 30m; at most 365d
        #[arg(long, value_name = "TIME", value_parser = args::span)]
        expires: u64,
        /// Whose it is; you, unless named
        #[arg(long, value_name = "USER", value_parser = reference::<UserId>)]
        owner: Option<Ref<UserId>>,
        /// How the change is made.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Tokens, newest first; never their secrets
    #[command(after_help = "Example:\n  marketplace tokens list --owner 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d")]
    List {
        /// Only this member of staff's
        #[arg(long, value_name = "USER", value_parser = reference::<UserId>)]
        owner: Option<Ref<UserId>>,
        /// Only your own
        #[arg(long, conflicts_with = "owner")]
        mine: bool,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// End tokens at once
    #[command(after_help = "Lines of --stdin may override: note.\n\n\
        Examples:\n  \
        marketplace tokens revoke 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes\n  \
        marketplace tokens list -o id | marketplace tokens revoke --stdin --yes")]
    Revoke {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        change: ChangeArgs,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    let out = &context.out;
    match verb {
        Verb::Create { name, scopes, expires, owner, change } => {
            context.check_change::<Changed<CreatedToken>>(&change)?;
            require_shown(context, &change, &example(), EXAMPLE, "item.token.id")?;
            context.confirm(&format!("Make the token `{name}`?"), &change, Care::Ask).await?;
            let api = context.connect().await?;
            let owner_id = optional(&api, owner.as_ref()).await?;
            let new = NewToken { name, scopes, expires_in: expires, owner_id };
            let asked = Change { note: change.note.clone(), dry_run: change.dry_run, ..Change::default() };
            let created = api.call::<CreateToken>((), (), NewTokenInput::new(new.clone(), asked.clone())).await?;
            if let Err(failure) = context.print_change(&created, &change) {
                if change.dry_run {
                    return Err(failure);
                }
                let id = created.item.token.id;
                return Err(match api.call::<RevokeToken>(id, (), Change::default().into()).await {
                    Ok(_) => anyhow::anyhow!("the secret cannot be printed, so the token {id} was revoked again"),
                    Err(error) => anyhow::anyhow!(
                        "the secret cannot be printed, and the token {id} is active, as it cannot be revoked: {error}"
                    ),
                }
                .into());
            }
            if !change.dry_run {
                out.note("keep the secret now: it is shown this once");
            }
            Ok(())
        }
        Verb::List { owner, mine, range } => {
            out.check::<ApiToken>()?;
            let api = context.connect().await?;
            let owner_id = match (owner, mine) {
                (Some(owner), _) => optional(&api, Some(&owner)).await?,
                (None, true) => Some(own_account(&api).await?),
                (None, false) => None,
            };
            let filter = TokenFilter { owner_id };
            context
                .stream(&range, async |page| api.call::<ListTokens>((), ListQuery::new(&filter, &page), ()).await)
                .await
        }
        Verb::Revoke { batch, change } => {
            let api = context.connect_to_change::<ApiToken>(&batch, &change).await?;
            let how = VersionedArgs { if_version: None, change: change.clone() };
            let describe = async |id: TokenId| -> Outcome<String> { Ok(format!("the token {id}")) };
            let apply = async |id: TokenId, line: Line| -> Outcome<Changed<ApiToken>> {
                Ok(api.call::<RevokeToken>(id, (), line.change(&how).into()).await?)
            };
            context.change("Revoke", &batch, &change, Care::Ask, describe, apply).await
        }
    }
}

/// Refuses to make a secret that would be lost: one that does not come through the chosen fields, filter or template, which
/// `example` shows, or through stdout. `id` names the field to print beside it.
pub(super) fn require_shown(
    context: &Context,
    change: &ChangeArgs,
    example: &serde_json::Value,
    secret: &str,
    id: &str,
) -> Outcome {
    if change.dry_run {
        return Ok(());
    }
    if !context.out.shows("item.secret") && !context.out.keeps(example, secret) {
        return Err(Failure::usage(
            "the secret would be lost: it is shown this once, and not in this output",
            format!("choose -o json, or name it too: --fields {id},item.secret, or --jq .item.secret"),
        ));
    }
    if is_nowhere() {
        return Err(Failure::usage(
            "the secret would be lost: it is shown this once, and stdout is closed or leads nowhere",
            "leave stdout open, or send it to a file",
        ));
    }
    Ok(())
}

/// What stands for the secret in [`example`].
const EXAMPLE: &str = "mkt_0123456789abcdef";

/// Returns what the creation of a token returns, to see whether the secret comes through a filter or a template.
fn example() -> serde_json::Value {
    let id = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d";
    let time = "2026-03-02T10:00:00.000000Z";
    serde_json::json!({ "changed": true, "item": { "secret": EXAMPLE, "token": {
        "id": id, "name": "Night job", "owner_id": id, "status": "active", "scopes": ["kyc:read"],
        "created_by": format!("user:{id}"), "created_at": time, "expires_at": time, "last_used_at": null,
        "revoked_at": null, "revoked_by": null,
    } } })
}

/// Parses what a token may do, and lists all of it in the help and in completions.
fn scope() -> impl TypedValueParser<Value = Permission> {
    let names = Permission::ALL.iter().filter(|permission| permission.is_scope()).map(|permission| permission.as_str());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Permission>())
}

/// Returns whether stdout leads nowhere: a closed one is opened on `/dev/null` as the program starts.
fn is_nowhere() -> bool {
    let nowhere = rustix::fs::stat("/dev/null").map(|null| (null.st_mode, null.st_rdev));
    let stdout = rustix::fs::fstat(std::io::stdout()).map(|stdout| (stdout.st_mode, stdout.st_rdev));
    matches!((nowhere, stdout), (Ok((mode, null)), Ok((of, stdout))) if null == stdout && mode & 0o170_000 == of & 0o170_000)
}
