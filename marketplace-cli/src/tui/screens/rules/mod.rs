//! Rules about what is not let in, or looked at: the list, new ones, what one would have caught, and their end.

mod lines;
mod trial;

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use marketplace_core::{
    base::{
        change::{Change, Changed},
        patch::Patch,
        permission::Permission,
    },
    error::Result,
    ids::RuleId,
    page::{Page, PageRequest},
    reports::model::ReportReason,
    rules::model::{NewRule, Rule, RuleAction, RuleEdit, RuleFilter, RuleKind, RulePlace},
    staff::{
        Connection, CreateRule, DeleteRule, EditRule, EditRuleInput, ListQuery, ListRules, NewRuleInput, PlainInput,
    },
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::Span,
};

use self::trial::Trial;
use super::super::{
    browser::{
        WIDE,
        filter::{Typed, flag, quoted},
        list,
        listing::{Key, Listed, Listing, Lists, copies},
        paged::Row,
    },
    component::{Registered, Screen},
    confirmation,
    ctx::{Confirmed, Ctx, Request},
    jump::Relations,
    keymap::{Action, Rows, ScreenInfo, Spec, actions},
    message::{LoadId, Message},
    privacy::private,
    text,
    theme::Style,
    widgets::{
        columns::{Column, SPARE},
        form::{Choice, Filled, Form},
        popup::Popup,
        rows,
    },
};

/// The action that leads here.
pub const HOME: Action = Action::new(&Spec {
    name: "rules",
    keys: "M",
    label: "rules",
    rank: 0,
    needs: None,
    help: "Rules about what is refused, or reported",
});

actions! {
    CREATE, "create-rule", "n", "new", 1, Some(Permission::UsersAdmin), "Make a rule, or see what it would have caught in the last 30 days";
    TRY, "try-rule", "t", "try", 2, Some(Permission::UsersAdmin), "What the rule would have caught in 30 days; Enter opens it";
    SWITCH, "switch-rule", "s", "off/on", 3, Some(Permission::UsersAdmin), "Let the rule (or the marked ones) rest, or hold again";
    CHANGE, "change-rule", "c", "change", 4, Some(Permission::UsersAdmin), "Change what it does, where, and as what it reports";
    DELETE, "delete-rule", "D", "delete", 5, Some(Permission::UsersAdmin), "Take the rule (or the marked ones) away";
}

/// The columns of the list.
const COLUMNS: [Column; 8] = [
    Column::new("kind", 2),
    Column::text("value", 12, 0),
    Column::new("state", 0),
    Column::new("does", 1),
    Column::text("where", 8, 4),
    Column::number("reports", 3),
    Column::text("by", 6, 5),
    Column::time("made", SPARE).falling(),
];

impl Row for Rule {
    type Id = RuleId;
    fn id(&self) -> RuleId {
        self.id
    }
}

impl Typed for RuleFilter {
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[("kind", RuleKind::NAMES)];
    const FREE_TEXT: bool = false;
    fn set(&mut self, _word: &str, value: &str) -> std::result::Result<(), String> {
        self.kind = Some(value.parse()?);
        Ok(())
    }
    fn flags(&self) -> String {
        let mut flags = String::new();
        flag(&mut flags, "kind", self.kind);
        flags
    }
}

impl Listed for Rule {
    type Filter = RuleFilter;
    const WHAT: &'static str = "rules";
    fn list(api: Connection, filter: RuleFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListRules>((), ListQuery::new(&filter, &page), ()).await })
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
    fn columns() -> &'static [Column] {
        &COLUMNS
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "kind" => Key::text(self.kind.as_str()),
            "state" => Key::Number(i64::from(self.enabled)),
            "does" => Key::text(self.action.as_str()),
            "where" => Key::text(lines::places(&self.places)),
            "reports" => Key::Number(self.reports),
            "by" => Key::text(self.created_by.to_string()),
            "made" => Key::time(self.created_at),
            _ => Key::text(&self.value),
        }
    }
}

/// Kinds of rules, each with its letter, and what its value is.
const KINDS: [(char, RuleKind, &str); 4] = [
    ('c', RuleKind::ContactDetails, "any, email, phone, link or handle"),
    ('w', RuleKind::Words, "a word, or words in this order"),
    ('d', RuleKind::BlockedDomain, "domain, with its subdomains"),
    ('n', RuleKind::IpRange, "network, such as 192.0.2.0/24"),
];
/// What rules do, each with its letter.
const DOES: [(char, RuleAction); 2] = [('R', RuleAction::Report), ('F', RuleAction::Refuse)];
/// Where rules look, each with its letter.
const PLACES: [(char, RulePlace); RulePlace::ALL.len()] = [
    ('m', RulePlace::Messages),
    ('s', RulePlace::Services),
    ('v', RulePlace::Reviews),
    ('p', RulePlace::Profiles),
    ('o', RulePlace::Offers),
];

/// The intent of a form.
enum Intent {
    /// Ask for a rule of the chosen kind.
    Kind,
    Create(RuleKind),
    /// Make one that was tried.
    Make(NewRule),
    Change(Box<Rule>),
    Switch {
        on: bool,
        targets: Vec<(RuleId, String)>,
    },
    Delete(Vec<(RuleId, String)>),
}

/// The result of a change.
struct Came(Result<Changed<Rule>>);

/// Rules.
#[derive(Default)]
pub struct Rules {
    list: Listing<Rule>,
    trial: Option<Trial>,
    /// What is under way, with its name and what is said when it is done.
    acting: BTreeMap<LoadId, (String, &'static str)>,
    /// The command that does what was done last.
    last: Option<String>,
}

fn name(rule: &Rule) -> String {
    format!("{} {}", text::words(rule.kind.as_str()), rule.value)
}

/// Returns the title of the form for a new rule.
fn new_title(kind: RuleKind) -> String {
    format!("New rule · {}", text::words(kind.as_str()))
}

fn is_of_texts(kind: RuleKind) -> bool {
    matches!(kind, RuleKind::ContactDetails | RuleKind::Words)
}

impl Rules {
    fn act<F>(
        &mut self,
        (what, name, done): (&str, String, &'static str),
        ctx: &mut Ctx,
        work: impl FnOnce(Connection) -> F,
    ) where
        F: Future<Output = Result<Changed<Rule>>> + Send + 'static,
    {
        let load = ctx.act(format!("{what} the rule {}", text::clean(&name)), Came, work);
        self.acting.insert(load, (name, done));
    }

    /// Returns the choices of a rule of a kind: what it does, and where it looks.
    fn choices(kind: RuleKind) -> Vec<Choice> {
        let does = DOES.iter().map(|(key, action)| Choice::of(*key, action.as_str()));
        let places = PLACES.iter().filter(|_| is_of_texts(kind)).map(|(key, place)| Choice {
            key: *key,
            label: format!("in {place}"),
            template: "",
        });
        does.chain(places).collect()
    }

    /// Returns the choices that stand for what a rule does and where.
    fn picked(kind: RuleKind, action: RuleAction, places: &[RulePlace]) -> Vec<usize> {
        let does = DOES.iter().position(|(_, known)| *known == action);
        let count = DOES.len();
        let places = PLACES.iter().enumerate().filter(|(_, (_, place))| is_of_texts(kind) && places.contains(place));
        does.into_iter().chain(places.map(|(at, _)| count + at)).collect()
    }

    fn ask_for_kind(ctx: &mut Ctx) {
        let choices = KINDS.iter().map(|(key, kind, value)| Choice {
            key: *key,
            label: format!("{} · {value}", text::words(kind.as_str())),
            template: "",
        });
        ctx.ask(Form::new("New rule about").choices(choices.collect(), false).at_once(), Intent::Kind);
    }

    fn ask_for_new(kind: RuleKind, ctx: &mut Ctx) {
        let usual = NewRule::new(kind, "");
        let action = if is_of_texts(kind) { RuleAction::Report } else { RuleAction::Refuse };
        let mut choices = Self::choices(kind);
        // Nobody should let a rule loose that they have not seen at work.
        let trial = choices.len();
        choices.push(Choice { key: 't', label: "only try it: what would it have caught?".into(), template: "" });
        let mut picked = Self::picked(kind, action, RulePlace::ALL);
        picked.push(trial);
        let label = KINDS.iter().find(|(_, known, _)| *known == usual.kind).map_or("value", |(.., label)| label);
        let form = Form::new(new_title(kind))
            .line("Tried first, it changes nothing; without t it holds at once. Who is in already stays.")
            .line("")
            .choices(choices, true)
            .with_picked(&picked)
            .with_input(label, true)
            .with_input("reason of its reports", false)
            .with_note(None)
            .about([kind]);
        ctx.ask(form, Intent::Create(kind));
    }

    fn ask_to_change(rule: &Rule, ctx: &mut Ctx) {
        let form = Form::new(format!("Change the rule {}", text::clean(&name(rule))))
            .choices(Self::choices(rule.kind), true)
            .with_picked(&Self::picked(rule.kind, rule.action, &rule.places))
            .with_input("reason of its reports", true)
            .filled_with(rule.reason.to_string())
            .with_note(rule.note.as_deref())
            .about([rule.id]);
        ctx.ask(form, Intent::Change(Box::new(rule.clone())));
    }

    /// Returns what was chosen in a form: what the rule does and where it looks; none unless it does one thing.
    fn chosen(kind: RuleKind, filled: &Filled, ctx: &mut Ctx) -> Option<(RuleAction, Option<Vec<RulePlace>>)> {
        let is_picked = |at: usize| filled.picked.contains(&at);
        let does: Vec<RuleAction> =
            DOES.iter().enumerate().filter(|(at, _)| is_picked(*at)).map(|(_, (_, action))| *action).collect();
        let count = DOES.len();
        let places =
            PLACES.iter().enumerate().filter(|(at, _)| is_picked(count + at)).map(|(_, (_, place))| *place).collect();
        let [action] = does.as_slice() else {
            ctx.refuse("a rule reports (R) or refuses (F): choose one of the two");
            return None;
        };
        Some((*action, is_of_texts(kind).then_some(places)))
    }

    fn reason(text: &str, ctx: &mut Ctx) -> std::result::Result<Option<ReportReason>, ()> {
        if text.is_empty() {
            return Ok(None);
        }
        text.replace(' ', "_").parse().map(Some).map_err(|_| {
            ctx.refuse(format!("{text}: the reasons of reports are {}", ReportReason::NAMES.join(", ")));
        })
    }

    fn made(&mut self, kind: RuleKind, filled: &Filled, ctx: &mut Ctx) {
        let only_try = filled.picked.contains(&Self::choices(kind).len());
        let Some((action, places)) = Self::chosen(kind, filled, ctx) else { return };
        let text = |at: usize| filled.inputs.get(at).cloned().unwrap_or_default();
        let Ok(reason) = Self::reason(&text(1), ctx) else { return };
        let rule =
            NewRule { action: Some(action), places, reason, note: filled.note.clone(), ..NewRule::new(kind, text(0)) };
        if only_try {
            ctx.keep_filled();
            self.trial = Some(Trial::begin(rule, None, ctx));
        } else {
            self.create(rule, ctx);
        }
    }

    fn create(&mut self, rule: NewRule, ctx: &mut Ctx) {
        self.last = Some(lines::command(&rule));
        let name = format!("{} {}", text::words(rule.kind.as_str()), rule.value);
        let input = NewRuleInput::new(rule, &Change::default());
        self.act(("making", name, "holds"), ctx, |api| async move { api.call::<CreateRule>((), (), input).await });
    }

    fn edit(
        &mut self,
        (id, name): (RuleId, String),
        if_version: Option<i64>,
        edit: RuleEdit,
        done: &'static str,
        ctx: &mut Ctx,
    ) {
        let input = EditRuleInput::new(edit, &Change { if_version, ..Change::default() });
        self.act(("changing", name, done), ctx, |api| async move { api.call::<EditRule>(id, (), input).await });
    }

    fn ask_to_switch(&self, ctx: &mut Ctx) {
        let targets = self.list.targets(name);
        let marked = self.list.rows.marked();
        let Some(first) = marked.first().copied().or_else(|| self.list.rows.selected()) else { return };
        let on = !first.enabled;
        let verb = if on { "Let hold again" } else { "Let rest" };
        let heading = match targets.as_slice() {
            [(_, name)] => format!("{verb}: {}", text::clean(name)),
            many => format!("{verb}: {} rules", many.len()),
        };
        let form = Form::new(heading).confirmed_by(confirmation::UNDOABLE, targets.len());
        ctx.ask(form, Intent::Switch { on, targets });
    }

    fn ask_to_delete(&self, ctx: &mut Ctx) {
        let targets = self.list.targets(name);
        let heading = match targets.as_slice() {
            [] => return,
            [(_, name)] => format!("Take the rule away: {}", text::clean(name)),
            many => format!("Take {} rules away", many.len()),
        };
        let form = Form::new(heading)
            .line("Reports that it opened stay.")
            .line("")
            .confirmed_by(confirmation::DELETE, targets.len());
        ctx.ask(form, Intent::Delete(targets));
    }

    /// Makes one change at once, and several as a bulk action.
    fn each<W>(&mut self, (verb, done): (&str, &'static str), targets: Vec<(RuleId, String)>, ctx: &mut Ctx, work: W)
    where
        W: Fn(Connection, RuleId) -> BoxFuture<'static, Result<Changed<Rule>>> + Clone + Send + Sync + 'static,
    {
        let said = ("changing the rule", format!("{verb} {} rules", targets.len()));
        let one = self.list.change(said, targets, ctx, Came, work);
        self.acting.extend(one.map(|(load, name)| (load, (name, done))));
    }
}

impl Registered for Rules {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        // Reached by its key and its name: it is seldom needed, and tabs are few.
        tab: "",
        title: "rules",
        rows: Rows::Marked,
        own: ACTIONS,
        chosen: &[Action::REVEAL],
        by_id: None,
    };
}

impl Screen for Rules {
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.list)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.list)
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        if let Some(trial) = &mut self.trial {
            match action {
                // What was tried and is not there yet can be made from here.
                CREATE if trial.rule_id.is_none() => {
                    let form = Form::new(format!(
                        "Make the rule {} {}",
                        text::words(trial.rule.kind.as_str()),
                        trial.rule.value
                    ))
                    .line("It holds at once, for everybody.");
                    ctx.ask(form.confirmed_by(confirmation::UNDOABLE, 1), Intent::Make(trial.rule.clone()));
                    return true;
                }
                Action::BACK => {
                    self.trial = None;
                    return true;
                }
                _ if trial.action(action, ctx) => return true,
                CREATE => {}
                // The list, which may not be seen, is not what keys are for now.
                own if ACTIONS.contains(&own) => {
                    let back = ctx.keymap.key(Action::BACK);
                    ctx.refuse(format!("{}: {back} leads back to the rules first", own.label));
                    return true;
                }
                Action::MARK | Action::MARK_RANGE | Action::MARK_ALL | Action::SORT | Action::REVERSE => return true,
                Action::FILTER | Action::COLUMNS => self.trial = None,
                _ => {}
            }
        }
        match action {
            CREATE => Self::ask_for_kind(ctx),
            TRY => {
                if let Some(rule) = self.list.rows.selected() {
                    let places = Some(rule.places.clone()).filter(|places| !places.is_empty());
                    let tried = NewRule { places, ..NewRule::new(rule.kind, rule.value.clone()) };
                    self.last = Some(format!("marketplace rules test {} {}", rule.kind, quoted(&rule.value)));
                    self.trial = Some(Trial::begin(tried, Some(rule.id), ctx));
                }
            }
            CHANGE => {
                if let Some(rule) = self.list.rows.selected() {
                    Self::ask_to_change(rule, ctx);
                }
            }
            SWITCH => self.ask_to_switch(ctx),
            DELETE => self.ask_to_delete(ctx),
            Action::OPEN => {
                if let Some(rule) = self.list.rows.selected() {
                    ctx.requests.push(Request::Popup(Popup::new(name(rule), lines::detail(rule, ctx)).private()));
                }
            }
            Action::BACK => return self.list.back(ctx),
            _ => return copies(self.list.rows.selected(), action, ctx) || self.list.action(action, ctx),
        }
        true
    }

    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        if let Some(trial) = &mut self.trial {
            trial.tick(ctx);
        }
        self.list.watch(visible, ctx);
        self.list.tick(visible, ctx);
    }

    fn relations(&self) -> Relations {
        self.list.rows.selected().map_or_else(Relations::default, |rule| Relations::of(rule.id))
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        let Err(message) = self.list.take(message, ctx) else { return None };
        let message = match &mut self.trial {
            Some(trial) => trial.message(message, ctx)?,
            None => message,
        };
        let (id, Came(answer)) = match message.open() {
            Ok(came) => came,
            Err(other) => return Some(other),
        };
        let (name, done) = self.acting.remove(&id)?;
        match answer {
            Ok(changed) => {
                self.list.rows.replace(&changed.item);
                self.list.rows.refresh();
                ctx.say_of(name, if changed.changed { done } else { "unchanged: was so already" });
            }
            Err(error) => ctx.fail(&name, &error),
        }
        None
    }

    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        let (intent, filled) = confirmed.open()?;
        match intent {
            Intent::Kind => {
                if let Some((_, kind, _)) = filled.picked.first().and_then(|at| KINDS.get(*at)) {
                    Self::ask_for_new(*kind, ctx);
                }
            }
            Intent::Create(kind) => self.made(kind, &filled, ctx),
            Intent::Make(rule) => {
                self.trial = None;
                ctx.drafts.send_kept(&new_title(rule.kind), rule.kind);
                self.create(rule, ctx);
            }
            Intent::Change(rule) => {
                let Some((action, places)) = Self::chosen(rule.kind, &filled, ctx) else { return Ok(()) };
                let text = filled.inputs.first().cloned().unwrap_or_default();
                let Ok(reason) = Self::reason(&text, ctx) else { return Ok(()) };
                let edit = RuleEdit {
                    action: Patch::Set(action),
                    places: places.map_or(Patch::Keep, Patch::Set),
                    reason: reason.map_or(Patch::Keep, Patch::Set),
                    enabled: Patch::Keep,
                    note: filled.note.map_or(Patch::Clear, Patch::Set),
                };
                self.last = Some(format!("marketplace rules edit {} --action {action} --dry-run", rule.id));
                self.edit((rule.id, name(&rule)), Some(rule.version), edit, "changed", ctx);
            }
            Intent::Switch { on, targets } => {
                let (verb, done) = if on { ("Let hold", "holds again") } else { ("Let rest", "rests") };
                if let [(id, _)] = targets.as_slice() {
                    let flag = if on { "--enable" } else { "--disable" };
                    self.last = Some(format!("marketplace rules edit {id} {flag} --dry-run"));
                }
                self.each((verb, done), targets, ctx, move |api, id| {
                    let edit = RuleEdit { enabled: Patch::Set(on), ..RuleEdit::default() };
                    let input = EditRuleInput::new(edit, &Change::default());
                    Box::pin(async move { api.call::<EditRule>(id, (), input).await })
                });
            }
            Intent::Delete(targets) => {
                let ids: Vec<String> = targets.iter().map(|(id, _)| id.to_string()).collect();
                self.last = Some(format!("marketplace rules delete {} --dry-run", ids.join(" ")));
                self.each(("Take away", "taken away"), targets, ctx, |api, id| {
                    Box::pin(async move { api.call::<DeleteRule>(id, (), PlainInput::default()).await })
                });
            }
        }
        Ok(())
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let area = match &mut self.trial {
            // On a narrow terminal it has the whole screen.
            Some(trial) if area.width < WIDE => return trial.draw(area, buf, ctx),
            Some(trial) => {
                let [rest, tried] =
                    area.layout(&Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]));
                trial.draw(tried, buf, ctx);
                rest
            }
            None => area,
        };
        let (now, theme) = (ctx.now(), ctx.theme);
        let focused = self.trial.is_none();
        let inner = self.list.pane(area, buf, theme, ("Rules", &self.list.place()), focused);
        let empty = format!("There are no rules, or none matches. {} makes one.", ctx.keymap.key(CREATE));
        list::draw(inner, buf, ctx, &mut self.list.rows, focused, &empty, &COLUMNS, |rule| {
            let state = if rule.enabled { ("●", "holds", Style::Good) } else { ("○", "rests", Style::Faint) };
            let does = match rule.action {
                RuleAction::Report => ("⚑", "report", Style::Warn),
                RuleAction::Refuse => ("✖", "refuse", Style::Bad),
            };
            vec![
                Span::raw(text::words(rule.kind.as_str())),
                Span::styled(rule.value.clone(), private(theme.style(Style::Plain))),
                rows::short_state(theme, state),
                rows::short_state(theme, does),
                Span::styled(lines::places(&rule.places), theme.style(Style::Faint)),
                Span::raw(lines::reports(rule)),
                Span::styled(ctx.who(&rule.created_by), theme.style(Style::Faint)),
                rows::time(theme, rule.created_at, now, ctx.times),
            ]
        });
    }

    fn status(&self, ctx: &Ctx) -> Option<(String, Style)> {
        let Some(until) = self.trial.as_ref().and_then(Trial::revealed) else {
            return self.list.marked("off/on or delete");
        };
        let left = text::seconds_left(until, ctx.now());
        Some((format!("contact details shown, masked again in {left}s"), Style::Warn))
    }

    fn label(&self, action: Action) -> Option<&'static str> {
        let is_new = self.trial.as_ref().is_some_and(|trial| trial.rule_id.is_none());
        let is_on = self.list.rows.selected().is_some_and(|rule| rule.enabled);
        match action {
            CREATE if is_new => Some("make it"),
            SWITCH => Some(if is_on { "let rest" } else { "let hold" }),
            _ => None,
        }
    }

    fn offers(&self, action: Action) -> bool {
        match action {
            CREATE => true,
            Action::OPEN => self.trial.as_ref().map_or(!self.list.rows.is_empty(), Trial::has_examples),
            own if ACTIONS.contains(&own) => !self.list.rows.is_empty() && self.trial.is_none(),
            Action::MARK => !self.list.rows.is_empty() && self.trial.is_none(),
            Action::REVEAL => self.trial.as_ref().is_some_and(Trial::has_examples),
            _ => true,
        }
    }

    fn commands(&self) -> Vec<String> {
        let mut lines = vec![format!("marketplace rules list{}", self.list.bar.filter.flags())];
        lines.extend(self.trial.as_ref().map(|trial| lines::trial(&trial.rule)));
        lines.extend(self.last.clone());
        lines
    }
}
