//! Categories of services: their names, their order, whether services can be of them, and merging one into another.

use std::{collections::BTreeMap, fmt::Write as _};

use futures::future::BoxFuture;
use marketplace_core::{
    base::{
        change::{Change, Changed},
        patch::Patch,
        permission::Permission,
    },
    error::Result,
    page::{Page, PageRequest},
    services::model::{Category, CategoryDetail, MergedCategory, Names, NewCategory, POSITIONS, UpdateCategory},
    staff::{
        Connection, CreateCategory, EditCategory, ListCategories, MergeCategory, MergeCategoryInput, NewCategoryInput,
        UpdateCategoryInput,
    },
};
use ratatui::{buffer::Buffer, layout::Rect, text::Span};

use super::{
    super::{
        browser::{
            filter::quoted,
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
        text,
        theme::Style,
        widgets::{
            columns::Column,
            form::{Filled, Form},
            popup::{PopLine, Popup},
            rows,
        },
    },
    webhooks::Every,
};

/// The action that leads here.
pub const HOME: Action = Action::new(&Spec {
    name: "categories",
    keys: "I",
    label: "categories",
    rank: 0,
    needs: None,
    help: "Categories of services",
});

actions! {
    CREATE, "create-category", "n", "new", 1, Some(Permission::UsersAdmin), "Add a category";
    CHANGE, "change-category", "c", "change", 2, Some(Permission::UsersAdmin), "Change its names, its place, and what it is part of";
    SWITCH, "switch-category", "s", "off/on", 3, Some(Permission::UsersAdmin), "Let no new services be of it, or let them again";
    MERGE, "merge-category", "m", "merge", 4, Some(Permission::UsersAdmin), "Merge it into another one, which its key then stands for";
}

/// The columns of the list.
const COLUMNS: [Column; 6] = [
    Column::number("position", 3).rising(),
    Column::text("key", 8, 0),
    Column::text("name", 12, 0),
    Column::new("state", 0),
    Column::text("part of", 6, 2),
    Column::text("other names", 10, 4),
];

/// Languages whose names are asked for, in this order; others stay as they are.
const LANGUAGES: [(&str, &str); 4] = [("en", "English"), ("de", "German"), ("fr", "French"), ("es", "Spanish")];

impl Row for CategoryDetail {
    type Id = Category;
    fn id(&self) -> Category {
        self.key
    }
}

impl Listed for CategoryDetail {
    type Filter = Every;
    const WHAT: &'static str = "categories";
    fn list(api: Connection, _filter: Every, _page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListCategories>((), (), ()).await })
    }
    fn id_text(&self) -> String {
        self.key.to_string()
    }
    fn columns() -> &'static [Column] {
        &COLUMNS
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "key" => Key::text(self.key.as_str()),
            "name" => Key::text(self.name()),
            "state" => Key::text(state(self).1),
            "part of" => Key::text(self.parent.map(|parent| parent.to_string()).unwrap_or_default()),
            "other names" => Key::text(other_names(self)),
            _ => Key::Number(self.position),
        }
    }
}

fn state(category: &CategoryDetail) -> (&'static str, &'static str, Style) {
    match (category.active, category.merged_into, category.moving) {
        (true, ..) => ("●", "active", Style::Good),
        (false, Some(_), true) => ("◐", "moving", Style::Warn),
        (false, Some(_), false) => ("→", "merged", Style::Faint),
        (false, None, _) => ("○", "inactive", Style::Faint),
    }
}

fn other_names(category: &CategoryDetail) -> String {
    let others = category.names.iter().filter(|(language, _)| *language != "en");
    others.map(|(language, name)| format!("{language}: {name}")).collect::<Vec<_>>().join(" · ")
}

fn detail(category: &CategoryDetail) -> Popup {
    let pair = |key: &str, value: String| PopLine::Pair(key.into(), value);
    let mut lines = vec![pair("key", category.key.to_string()), pair("state", state(category).1.into())];
    lines.extend(category.merged_into.map(|into| pair("merged into", into.to_string())));
    lines.extend(category.parent.map(|parent| pair("part of", parent.to_string())));
    lines.push(pair("position", category.position.to_string()));
    lines.push(pair("version", category.version.to_string()));
    lines.push(PopLine::Text(String::new()));
    lines.push(PopLine::Head("Names".into()));
    lines.extend(category.names.iter().map(|(language, name)| pair(language, name.clone())));
    Popup::new(category.name().to_owned(), lines)
}

/// Returns the title of the form that asks what a category is merged into.
fn merge_title(category: &CategoryDetail) -> String {
    format!("Merge {}", text::clean(category.name()))
}

/// What was written of a category: its names, what it is part of, its position.
type Written = (BTreeMap<String, Option<String>>, Option<Category>, Option<i64>);

/// The intent of a form.
enum Intent {
    Create,
    Change(Box<CategoryDetail>),
    Switch(Box<CategoryDetail>),
    /// Merge, into what is written; then it is asked once more, with how many services move.
    MergeInto(Box<CategoryDetail>),
    Merge(Box<CategoryDetail>, Category),
}

/// A result.
enum Came {
    Changed(Result<Changed<CategoryDetail>>),
    /// What a merge would do.
    WouldMerge(Box<CategoryDetail>, Category, Result<Changed<MergedCategory>>),
    Merged(Result<Changed<MergedCategory>>),
}

/// Categories.
#[derive(Default)]
pub struct Categories {
    list: Listing<CategoryDetail>,
    /// What is under way, with its name and what is said when it is done.
    acting: BTreeMap<LoadId, (Category, &'static str)>,
    /// The command that does what was done last.
    last: Option<String>,
}

impl Categories {
    fn fields(mut form: Form, of: Option<&CategoryDetail>) -> Form {
        for (language, label) in LANGUAGES {
            let name = of.and_then(|category| category.names.get(language)).cloned().unwrap_or_default();
            form = form.with_input(label, language == "en").filled_with(name);
        }
        let parent = of.and_then(|category| category.parent).map(|parent| parent.to_string()).unwrap_or_default();
        let position = of.map(|category| category.position.to_string()).unwrap_or_default();
        form.with_input("part of (its key)", false)
            .filled_with(parent)
            .with_input("position (the last without)", false)
            .filled_with(position)
    }

    fn ask_for_new(ctx: &mut Ctx) {
        let form = Form::new("New category")
            .line("Its key never changes: 2 to 24 lower-case letters, digits and _.")
            .line("")
            .with_input("key", true);
        ctx.ask(Self::fields(form, None).about(["new category"]), Intent::Create);
    }

    fn ask(&self, action: Action, ctx: &mut Ctx) {
        let Some(row) = self.list.rows.selected() else { return };
        let name = text::clean(row.name()).into_owned();
        match action {
            CHANGE => {
                let form = Form::new(format!("Change {name}"))
                    .line("Searches know the names at once. Names in other languages stay.")
                    .line("");
                ctx.ask(Self::fields(form, Some(row)).about([row.key]), Intent::Change(Box::new(row.clone())));
            }
            SWITCH => {
                let (verb, means) = if row.active {
                    ("Let no new services be of", "Those that are stay, and are found.")
                } else {
                    ("Let new services be of", "It is offered again.")
                };
                let form = Form::new(format!("{verb} {name}")).line(means);
                ctx.ask(form.confirmed_by(confirmation::UNDOABLE, 1), Intent::Switch(Box::new(row.clone())));
            }
            _ => {
                let form = Form::new(merge_title(row))
                    .line("Into which one? How many services move is said before it is done.")
                    .line("")
                    .with_input("into (its key)", true)
                    .about([row.key]);
                ctx.ask(form, Intent::MergeInto(Box::new(row.clone())));
            }
        }
    }

    /// Returns what was written into the fields after the first `from`: names, the parent, the position.
    fn written(filled: &Filled, from: usize, ctx: &mut Ctx) -> Option<Written> {
        let text = |at: usize| filled.inputs.get(from + at).map_or("", String::as_str);
        let names = LANGUAGES.iter().enumerate().map(|(at, (language, _))| {
            ((*language).to_owned(), Some(text(at).to_owned()).filter(|name| !name.is_empty()))
        });
        let names = names.collect();
        let parent = match text(LANGUAGES.len()) {
            "" => None,
            key => match key.parse() {
                Ok(key) => Some(key),
                Err(why) => {
                    ctx.refuse(why);
                    return None;
                }
            },
        };
        let position = match text(LANGUAGES.len() + 1) {
            "" => None,
            number => {
                let Some(position) = number.parse().ok().filter(|position| POSITIONS.contains(position)) else {
                    let (from, to) = (POSITIONS.start(), POSITIONS.end());
                    ctx.refuse(format!("{number}: a position is a number from {from} to {to}, such as 125"));
                    return None;
                };
                Some(position)
            }
        };
        Some((names, parent, position))
    }

    fn act<T, F>(
        &mut self,
        (what, key, done): (&str, Category, &'static str),
        wrap: impl FnOnce(Result<T>) -> Came + Send + 'static,
        ctx: &mut Ctx,
        work: impl FnOnce(Connection) -> F,
    ) where
        F: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        let load = ctx.act(format!("{what} the category {key}"), wrap, work);
        self.acting.insert(load, (key, done));
    }

    fn create(&mut self, filled: &Filled, ctx: &mut Ctx) {
        let key: Category = match filled.inputs.first().map_or("", String::as_str).parse() {
            Ok(key) => key,
            Err(why) => return ctx.refuse(why),
        };
        let Some((names, parent, position)) = Self::written(filled, 1, ctx) else { return };
        let names: Names = names.into_iter().filter_map(|(language, name)| Some((language, name?))).collect();
        let mut line = format!("marketplace categories create {key}");
        for (language, name) in &names {
            let _ = write!(line, " --name {}", quoted(&format!("{language}={name}")));
        }
        self.last = Some(format!("{line} --dry-run"));
        let input = NewCategoryInput::new(NewCategory { key, names, parent, position }, &Change::default());
        self.act(("adding", key, "added"), Came::Changed, ctx, |api| async move {
            api.call::<CreateCategory>((), (), input).await
        });
    }

    fn update(&mut self, of: &CategoryDetail, update: UpdateCategory, done: &'static str, ctx: &mut Ctx) {
        let (key, change) = (of.key, Change { if_version: Some(of.version), ..Change::default() });
        let input = UpdateCategoryInput::new(update, &change);
        self.act(("changing", key, done), Came::Changed, ctx, |api| async move {
            api.call::<EditCategory>(key, (), input).await
        });
    }

    fn merge(&mut self, of: Box<CategoryDetail>, into: Category, dry_run: bool, ctx: &mut Ctx) {
        let key = of.key;
        self.last = Some(format!("marketplace categories merge {key} --into {into} --dry-run"));
        let input = MergeCategoryInput::new(into, &Change { dry_run, ..Change::default() });
        let work = |api: Connection| async move { api.call::<MergeCategory>(key, (), input).await };
        if dry_run {
            let wrap = move |answer| Came::WouldMerge(of, into, answer);
            let load = ctx.load(wrap, work);
            self.acting.insert(load, (key, ""));
        } else {
            self.act(("merging", key, "merged"), Came::Merged, ctx, work);
        }
    }

    fn came(&mut self, key: Category, done: &'static str, came: Came, ctx: &mut Ctx) {
        match came {
            Came::Changed(Ok(changed)) => {
                self.list.rows.replace(&changed.item);
                self.list.rows.refresh();
                ctx.say(format!("{key}: {}", if changed.changed { done } else { "unchanged: was so already" }));
            }
            Came::WouldMerge(of, into, Ok(would)) => {
                let services = rows::count(would.item.services);
                let form = Form::new(format!("Merge {key} into {into}"))
                    .line(format!(
                        "{services} services move there. {key} stands for {into} from then on, in old links too."
                    ))
                    .line("It cannot be taken back: which services were of which is forgotten.")
                    .line("")
                    .danger()
                    .confirmed_by(confirmation::MERGE, 1);
                ctx.ask(form, Intent::Merge(of, into));
            }
            Came::Merged(Ok(merged)) => {
                self.list.rows.refresh();
                let services = rows::count(merged.item.services);
                let still = if merged.item.category.moving { "; the rest moves within moments" } else { "" };
                ctx.say(format!("{key}: {done}, with {services} services{still}"));
            }
            Came::Changed(Err(error)) | Came::WouldMerge(.., Err(error)) | Came::Merged(Err(error)) => {
                ctx.fail(key.as_str(), &error);
            }
        }
    }
}

impl Registered for Categories {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        // Reached by its key and its name: it is seldom needed, and tabs are few.
        tab: "",
        title: "categories",
        rows: Rows::Listed,
        own: ACTIONS,
        chosen: &[],
        by_id: None,
    };
}

impl Screen for Categories {
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.list)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.list)
    }
    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            CREATE => Self::ask_for_new(ctx),
            CHANGE | SWITCH | MERGE => self.ask(action, ctx),
            Action::OPEN => {
                if let Some(category) = self.list.rows.selected() {
                    ctx.requests.push(Request::Popup(detail(category)));
                }
            }
            Action::BACK => return self.list.back(ctx),
            _ => return copies(self.list.rows.selected(), action, ctx) || self.list.action(action, ctx),
        }
        true
    }
    fn relations(&self) -> Relations {
        self.list.rows.selected().map_or_else(Relations::default, |category| Relations::of(category.key))
    }
    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        let Err(message) = self.list.take(message, ctx) else { return None };
        if !self.acting.contains_key(&message.id()) {
            return Some(message);
        }
        match message.open::<Came>() {
            Ok((id, came)) => {
                let (key, done) = self.acting.remove(&id)?;
                self.came(key, done, came, ctx);
                None
            }
            Err(other) => Some(other),
        }
    }
    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        let (intent, filled) = confirmed.open()?;
        match intent {
            Intent::Create => self.create(&filled, ctx),
            Intent::Change(of) => {
                let Some((mut names, parent, position)) = Self::written(&filled, 0, ctx) else { return Ok(()) };
                // A name that was not there is not taken away.
                names.retain(|language, name| name.is_some() || of.names.contains_key(language));
                let parent = parent.map_or(Patch::Clear, Patch::Set);
                let update = UpdateCategory { names, parent, position, active: None };
                self.last = Some(format!("marketplace categories update {} --dry-run", of.key));
                self.update(&of, update, "changed", ctx);
            }
            Intent::Switch(of) => {
                let active = !of.active;
                let update = UpdateCategory { active: Some(active), ..UpdateCategory::default() };
                self.last = Some(format!("marketplace categories update {} --active {active} --dry-run", of.key));
                self.update(&of, update, if active { "active" } else { "inactive" }, ctx);
            }
            Intent::MergeInto(of) => match filled.inputs.first().map_or("", String::as_str).parse() {
                Ok(into) => {
                    ctx.keep_filled();
                    self.merge(of, into, true, ctx);
                }
                Err(why) => {
                    let why: String = why;
                    ctx.refuse(why);
                }
            },
            Intent::Merge(of, into) => {
                ctx.drafts.send_kept(&merge_title(&of), of.key);
                self.merge(of, into, false, ctx);
            }
        }
        Ok(())
    }
    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        self.list.watch(visible, ctx);
        self.list.tick(visible, ctx);
    }
    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let theme = ctx.theme;
        let inner = self.list.pane(area, buf, theme, ("Categories", &self.list.place()), true);
        list::draw(inner, buf, ctx, &mut self.list.rows, true, "There are no categories.", &COLUMNS, |category| {
            let part = match (category.merged_into, category.parent) {
                (Some(into), _) => format!("→ {into}"),
                (None, Some(parent)) => parent.to_string(),
                (None, None) => String::new(),
            };
            vec![
                Span::styled(category.position.to_string(), theme.style(Style::Faint)),
                Span::raw(category.key.to_string()),
                Span::raw(category.name().to_owned()),
                rows::short_state(theme, state(category)),
                Span::raw(part),
                Span::styled(other_names(category), theme.style(Style::Faint)),
            ]
        });
    }
    fn label(&self, action: Action) -> Option<&'static str> {
        let is_active = self.list.rows.selected().is_some_and(|category| category.active);
        (action == SWITCH).then_some(if is_active { "switch off" } else { "switch on" })
    }
    fn offers(&self, action: Action) -> bool {
        let row = self.list.rows.selected();
        match action {
            MERGE | SWITCH => row.is_some_and(|category| category.merged_into.is_none()),
            CHANGE | Action::OPEN => row.is_some(),
            _ => true,
        }
    }
    fn why_not(&self, action: Action, _ctx: &Ctx) -> Option<String> {
        let into = self.list.rows.selected()?.merged_into?;
        matches!(action, MERGE | SWITCH).then(|| format!("{}: it was merged into {into}", action.label))
    }
    fn commands(&self) -> Vec<String> {
        let mut lines = vec!["marketplace categories list".to_owned()];
        lines.extend(self.last.clone());
        lines
    }
}
