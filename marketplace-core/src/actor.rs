//! The caller of an operation, and what they may do.

use std::sync::Arc;

use crate::{
    accounts::model::{Account, Status},
    base::{
        error::{Error, Result, SecondFactor},
        ids::{SessionId, TokenId, UserId},
        permission::{Permission, Role, permissions},
        principal::Principal,
        time::Timestamp,
    },
};

/// The caller of an operation.
#[derive(Debug, Clone)]
pub enum Actor {
    /// Somebody with a valid access token, as their account stood when the token was checked for this call.
    User(Arc<SignedIn>),
    /// A script with a token for it, as the token and its owner's account stood when it was checked for this call.
    Token(Arc<TokenHolder>),
    /// Somebody with the database at hand: the command line over `--db`. Acts as an admin.
    Operator(Operator),
    /// The program itself: timers.
    System,
}

/// A checked access token and the account behind it, read together.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The account.
    pub account: Account,
    /// The session that the token belongs to.
    pub session: SessionId,
    /// When the session ends unless it is used.
    pub expires_at: Timestamp,
    /// Whether this login only allows enrolling a second factor, because one is required
    /// (`require_staff_totp`, `require_totp`).
    pub must_enrol: bool,
}

/// A checked token for scripts and the account of its owner, read together.
#[derive(Debug, Clone)]
pub struct TokenHolder {
    /// The owner.
    pub account: Account,
    /// The token.
    pub id: TokenId,
    /// The name that its owner gave it.
    pub name: String,
    /// Its permissions, as far as its owner still has them.
    pub scopes: Vec<Permission>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A person at the machine that holds the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Operating system user.
    pub os_user: String,
    /// Host name.
    pub host: String,
}

impl Actor {
    /// Returns the name of this actor in records.
    pub fn principal(&self) -> Principal {
        match self {
            Self::User(user) => Principal::user(user.account.id),
            Self::Token(token) => Principal::token(token.id),
            Self::Operator(operator) => Principal(format!("local:{}@{}", operator.os_user, operator.host)),
            Self::System => Principal::system(),
        }
    }

    /// Returns a short name that colleagues see, for example on a claim.
    pub fn label(&self) -> String {
        match self {
            Self::User(user) => user.account.name.clone(),
            Self::Token(token) => format!("{} ({})", token.account.name, token.name),
            Self::Operator(operator) => operator.os_user.clone(),
            Self::System => "system".into(),
        }
    }

    /// Returns the account, when the actor has one; of a token, its owner's.
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user.account.id),
            Self::Token(token) => Some(token.account.id),
            Self::Operator(_) | Self::System => None,
        }
    }

    /// Returns the role whose permissions apply.
    pub fn role(&self) -> Role {
        match self {
            Self::User(user) => user.account.role,
            Self::Token(token) => token.account.role,
            Self::Operator(_) | Self::System => Role::Admin,
        }
    }

    /// Returns whether the table, the account's status and, of a token, its scopes allow `permission`.
    ///
    /// Staff who are not `active` have no staff permissions, though a frozen one may still see their own account. Staff who
    /// must enrol a second factor first may do nothing else.
    pub fn may(&self, permission: Permission) -> bool {
        !self.must_enrol() && self.holds(permission)
    }

    fn must_enrol(&self) -> bool {
        matches!(self, Self::User(user) if user.must_enrol)
    }

    fn holds(&self, permission: Permission) -> bool {
        let allowed = match self {
            Self::User(user) => match permission {
                Permission::OwnAccount => {
                    matches!(user.account.status, Status::Unverified | Status::Active | Status::Frozen)
                }
                // What a frozen account may still do of it, each operation says.
                Permission::OwnKyc | Permission::Trade => {
                    matches!(user.account.status, Status::Active | Status::Frozen)
                }
                _ => user.account.status == Status::Active,
            },
            Self::Token(token) => {
                permission.is_scope()
                    && token.account.role.is_staff()
                    && token.account.status == Status::Active
                    && token.scopes.contains(&permission)
            }
            // The operator and the system have no account of their own.
            Self::Operator(_) | Self::System => permission.is_scope(),
        };
        allowed && permissions(self.role()).contains(&permission)
    }

    /// Checks that the actor has a permission.
    ///
    /// # Errors
    /// `forbidden` with the missing permission, or with the hint that a second factor must be enrolled first.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.must_enrol() {
            return Err(Error::forbidden(
                "a second factor is needed here: enrol one with `POST /v1/auth/totp` (`marketplace auth totp enrol`)",
            )
            .second_factor(SecondFactor::Enrol));
        }
        if self.holds(permission) {
            return Ok(());
        }
        Err(Error::forbidden(match self {
            Self::Token(_) if !permission.is_scope() => {
                "this is for people; a token for scripts has no account of its own".to_owned()
            }
            Self::Token(token) if !token.scopes.contains(&permission) => {
                format!("this needs the permission {permission}, which is not among this token's scopes")
            }
            _ => format!(
                "this needs the permission {permission}, which the role {} with this account's status does not give",
                self.role()
            ),
        }))
    }

    /// Checks that the actor may give a role, or give the powers of one back: nobody gives away a permission that they do
    /// not have.
    ///
    /// # Errors
    /// `forbidden` with the first permission that is missing.
    pub fn require_grant(&self, role: Role) -> Result<()> {
        match permissions(role).iter().find(|permission| permission.is_scope() && !self.may(**permission)) {
            Some(missing) => Err(Error::forbidden(format!(
                "nobody gives away what they may not do themselves: the role {role} has the permission {missing}"
            ))),
            None => Ok(()),
        }
    }

    /// Returns the caller's login, also when it only allows enrolling a second factor.
    ///
    /// # Errors
    /// `forbidden` for any other actor than a person who is logged in.
    pub fn require_session(&self) -> Result<&SignedIn> {
        match self {
            Self::User(user) if self.holds(Permission::OwnAccount) => Ok(user),
            _ => Err(Error::forbidden("this is for people who are logged in")),
        }
    }

    /// Returns the caller's login, for operations on what is the caller's own.
    ///
    /// # Errors
    /// `forbidden` without the permission, and for actors without an account of their own.
    pub fn require_own(&self, permission: Permission) -> Result<&SignedIn> {
        self.require(permission)?;
        match self {
            Self::User(user) => Ok(user),
            Self::Token(_) => {
                Err(Error::forbidden("this is for people; a token for scripts has no account of its own"))
            }
            Self::Operator(_) | Self::System => {
                Err(Error::forbidden("this is for accounts; the local operator has none"))
            }
        }
    }

    /// Returns the caller's login, when the account may begin new work: list services, open threads, offer jobs. Only an
    /// active one may; a frozen one finishes what it has.
    ///
    /// # Errors
    /// `forbidden` when it may not.
    pub fn require_new_work(&self) -> Result<&SignedIn> {
        let me = self.require_own(Permission::Trade)?;
        if me.account.status == Status::Active {
            Ok(me)
        } else {
            Err(Error::forbidden("this account is frozen: it can finish what is under way, and begin nothing new"))
        }
    }

    /// Checks that the actor does not act on their own account.
    ///
    /// # Errors
    /// `forbidden` when `subject` is the caller's own account.
    pub fn require_other(&self, subject: UserId) -> Result<()> {
        if self.user_id() == Some(subject) {
            Err(Error::forbidden("nobody decides about their own account; ask a colleague"))
        } else {
            Ok(())
        }
    }
}
