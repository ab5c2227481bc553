//! Rules about what is not let in, or looked at.

use serde::{Deserialize, Serialize};

use super::{
    input::PlainInput,
    operation::{Effect, ListQuery},
};
use crate::{
    base::{
        change::{Change, Changed},
        ids::RuleId,
        page::Page,
        patch::Patch,
    },
    reports::model::ReportReason,
    rules::{
        self,
        model::{NewRule, Rule, RuleAction, RuleEdit, RuleFilter, RuleKind, RulePlace, RuleTrial, TryRule},
    },
};

/// A new rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRuleInput {
    /// What it is about.
    pub kind: RuleKind,
    /// The domain, the kind of contact details (`any`, `email`, `phone`, `link`, `handle`), the words, or the network (CIDR).
    pub value: String,
    /// What happens to what it catches; without it, domains and networks are refused, and texts are reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<RuleAction>,
    /// The texts in which it looks; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<Vec<RulePlace>>,
    /// The reason of the reports that it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReportReason>,
    /// Makes it without letting it hold yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// What staff write about it, at most 1,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
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
        let NewRule { kind, value, action, places, reason, enabled, note } = new;
        let (dry_run, if_version) = (change.dry_run, change.if_version);
        Self { kind, value, action, places, reason, disabled: !enabled, note, dry_run, if_version }
    }

    fn rule(self) -> NewRule {
        let Self { kind, value, action, places, reason, disabled, note, .. } = self;
        NewRule { kind, value, action, places, reason, enabled: !disabled, note }
    }
}

/// What of a rule shall change; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EditRuleInput {
    /// What happens to what it catches.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = RuleAction))]
    pub action: Patch<RuleAction>,
    /// The texts in which it looks.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<RulePlace>))]
    pub places: Patch<Vec<RulePlace>>,
    /// The reason of the reports that it opens.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = ReportReason))]
    pub reason: Patch<ReportReason>,
    /// Whether it holds.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = bool))]
    pub enabled: Patch<bool>,
    /// What staff write about it; `null` takes it away.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub note: Patch<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the rule is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl EditRuleInput {
    /// Returns an edit as a body.
    pub fn new(edit: RuleEdit, change: &Change) -> Self {
        let RuleEdit { action, places, reason, enabled, note } = edit;
        let (dry_run, if_version) = (change.dry_run, change.if_version);
        Self { action, places, reason, enabled, note, dry_run, if_version }
    }
}

/// A rule to be tried on the last 30 days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TestRuleInput {
    /// What it is about.
    pub kind: RuleKind,
    /// The domain, the kind of contact details, the words, or the network.
    pub value: String,
    /// The texts in which it looks; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<Vec<RulePlace>>,
    /// Examples that are shown at most: 0 to 20, 5 without it. What is shown is on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 20))]
    pub examples: Option<i64>,
    /// Where to go on: the `next` of the answer before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Refuses unless the subject is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

bodies! {
    NewRuleInput: dry_run if_version;
    EditRuleInput: dry_run if_version;
    TestRuleInput: if_version;
}

operations! { "admin rules":
    /// Rules about what is not let in, or looked at, newest first.
    ListRules = GET "/v1/admin/rules" needs UsersRead,
    (op, (): (), list: ListQuery<RuleFilter>, (): ()) -> Page<Rule> as "A page" {
        rules::list(op, &list.filter, &list.page).await
    }

    /// Make a rule. One like it that is there already stays as it is.
    CreateRule = POST "/v1/admin/rules" needs UsersAdmin,
    (op, (): (), (): (), input: NewRuleInput) -> Changed<Rule> as "Made"
    with { const DRY_RUN: Option<&'static str> = Some("What would have been made (`dry_run`)"); } {
        rules::create(op, &input.rule()).await
    }

    /// What a rule would have caught in the last 30 days: a part of them with each call, until `next` is null.
    TestRule = POST "/v1/admin/rules/test" needs UsersAdmin,
    (op, (): (), (): (), input: TestRuleInput) -> RuleTrial as "What was caught in this part"
    with { const EFFECT: Effect = Effect::Read; } {
        let TestRuleInput { kind, value, places, examples, after, .. } = input;
        let rule = NewRule { places, ..NewRule::new(kind, value) };
        rules::test(op, &TryRule { rule, examples: examples.unwrap_or(5), after }).await
    }

    /// Change what a rule does, where, and whether it holds.
    EditRule = PATCH "/v1/admin/rules/{id}" needs UsersAdmin,
    (op, id: RuleId, (): (), input: EditRuleInput) -> Changed<Rule> as "The rule" {
        let EditRuleInput { action, places, reason, enabled, note, .. } = input;
        rules::edit(op, id, RuleEdit { action, places, reason, enabled, note }).await
    }

    /// Take a rule away.
    DeleteRule = DELETE "/v1/admin/rules/{id}" needs UsersAdmin,
    (op, id: RuleId, (): (), _: PlainInput) -> Changed<Rule> as "The rule, as it was; of one that was taken away before, what is still known" {
        rules::delete(op, id).await
    }
}
