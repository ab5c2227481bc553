//! Rules about what is not let in.

use serde::{Deserialize, Serialize};

use super::{input::PlainInput, operation::ListQuery};
use crate::{
    base::{
        change::{Change, Changed},
        ids::RuleId,
        page::Page,
    },
    rules::{
        self,
        model::{NewRule, Rule, RuleFilter, RuleKind},
    },
};

/// A new rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRuleInput {
    /// What it is about.
    pub kind: RuleKind,
    /// The domain.
    pub value: String,
    /// Changes nothing: the answer is what would have been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the subject is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl NewRuleInput {
    /// Returns a new rule as a body.
    pub fn new(new: NewRule, change: &Change) -> Self {
        Self { kind: new.kind, value: new.value, dry_run: change.dry_run, if_version: change.if_version }
    }
}

bodies! {
    NewRuleInput: dry_run if_version;
}

operations! { "admin rules":
    /// Rules about what is not let in, newest first.
    ListRules = GET "/v1/admin/rules" needs UsersRead,
    (op, (): (), list: ListQuery<RuleFilter>, (): ()) -> Page<Rule> as "A page" {
        rules::list(op, &list.filter, &list.page).await
    }

    /// Make a rule. One like it that is there already stays as it is.
    CreateRule = POST "/v1/admin/rules" needs UsersAdmin,
    (op, (): (), (): (), input: NewRuleInput) -> Changed<Rule> as "Made"
    with { const DRY_RUN: Option<&'static str> = Some("What would have been made (`dry_run`)"); } {
        rules::create(op, &NewRule { kind: input.kind, value: input.value }).await
    }

    /// Take a rule away.
    DeleteRule = DELETE "/v1/admin/rules/{id}" needs UsersAdmin,
    (op, id: RuleId, (): (), _: PlainInput) -> Changed<Rule> as "The rule, as it was" {
        rules::delete(op, id).await
    }
}
