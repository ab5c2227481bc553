//! `marketplace categories`.

use std::collections::BTreeMap;

use clap::Subcommand;
use marketplace_core::{
    base::{
        change::{Change, Changed},
        patch::Patch,
    },
    services::model::{Category, CategoryDetail, MergedCategory, NewCategory, UpdateCategory},
    staff::{
        CreateCategory, EditCategory, ListCategories, MergeCategory, MergeCategoryInput, NewCategoryInput,
        UpdateCategoryInput,
    },
};

use crate::{
    args::{ChangeArgs, Range},
    change::Care,
    context::Context,
    failure::{Failure, Outcome},
};

/// What can be done with categories.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Every category, in order
    #[command(after_help = "Example:\n  marketplace categories list -o json")]
    List {
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// Add a category
    #[command(
        after_help = "Example:\n  marketplace categories create drones --name en=Drones --name de=Drohnen --parent photography --yes"
    )]
    Create {
        /// Its key, which never changes: 2 to 24 lower-case letters, digits and _
        key: Category,
        /// Its name in a language, as LANGUAGE=NAME; English (en) is needed
        #[arg(long = "name", value_name = "LANGUAGE=NAME", value_parser = name, required = true)]
        names: Vec<(String, Option<String>)>,
        /// The category that it is part of
        #[arg(long, value_name = "KEY")]
        parent: Option<Category>,
        /// Its place in lists, 0 to 1000000; the last without one
        #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
        position: Option<i64>,
        /// Show what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Change a category: its names, its place, or whether new services can be of it
    #[command(after_help = "Examples:\n  \
        marketplace categories update drones --name fr=Drones --yes\n  \
        marketplace categories update drones --active false --yes")]
    Update {
        /// Its key
        key: Category,
        /// Its name in a language, as LANGUAGE=NAME; without a name, it has none there any more
        #[arg(long = "name", value_name = "LANGUAGE=NAME", value_parser = name)]
        names: Vec<(String, Option<String>)>,
        /// The category that it is part of; none for none
        #[arg(long, value_name = "KEY", value_parser = parent)]
        parent: Option<Parent>,
        /// Its place in lists, 0 to 1000000
        #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
        position: Option<i64>,
        /// Whether new services can be of it; those that are stay
        #[arg(long)]
        active: Option<bool>,
        /// Only at this version
        #[arg(long, value_name = "VERSION")]
        if_version: Option<i64>,
        /// Show what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Merge a category into another one, which its key then stands for; its services are moved
    #[command(
        after_help = "Old filters and links find the other category. It cannot be taken back: which services were of which is \
        forgotten.\n\n\
        Examples:\n  \
        marketplace categories merge drones --into photography --dry-run\n  \
        marketplace categories merge drones --into photography --yes"
    )]
    Merge {
        /// The category that ends
        key: Category,
        /// The category that stays
        #[arg(long, value_name = "KEY")]
        into: Category,
        /// Only at this version
        #[arg(long, value_name = "VERSION")]
        if_version: Option<i64>,
        /// Show how many services would be moved, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// What a category is part of.
#[derive(Debug, Clone, Copy)]
pub struct Parent(Option<Category>);

fn parent(text: &str) -> Result<Parent, String> {
    if text == "none" { Ok(Parent(None)) } else { text.parse().map(|key| Parent(Some(key))) }
}

fn name(text: &str) -> Result<(String, Option<String>), String> {
    let (language, name) = text.split_once('=').ok_or("must be LANGUAGE=NAME, such as en=Drones")?;
    Ok((language.to_owned(), (!name.is_empty()).then(|| name.to_owned())))
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    match verb {
        Verb::List { range } => {
            context.out.check::<CategoryDetail>()?;
            let api = context.connect().await?;
            context.stream(&range, async |_| api.call::<ListCategories>((), (), ()).await).await
        }
        Verb::Create { key, names, parent, position, dry_run, yes } => {
            let change = ChangeArgs { note: None, dry_run, yes };
            context.check_change::<Changed<CategoryDetail>>(&change)?;
            context.confirm(&format!("Add the category {key}?"), &change, Care::Ask).await?;
            let names = names.into_iter().map(|(language, name)| (language, name.unwrap_or_default())).collect();
            let asked = Change { dry_run, ..Change::default() };
            let input = NewCategoryInput::new(NewCategory { key, names, parent, position }, &asked);
            let made = context.connect().await?.call::<CreateCategory>((), (), input).await?;
            context.print_change(&made, &change)
        }
        Verb::Update { key, names, parent, position, active, if_version, dry_run, yes } => {
            let change = ChangeArgs { note: None, dry_run, yes };
            context.check_change::<Changed<CategoryDetail>>(&change)?;
            let parent = parent.map_or(Patch::Keep, |Parent(parent)| parent.map_or(Patch::Clear, Patch::Set));
            let update = UpdateCategory { names: BTreeMap::from_iter(names), parent, position, active };
            if update == UpdateCategory::default() {
                return Err(Failure::usage("nothing to change", "add --name, --parent, --position or --active"));
            }
            context.confirm(&format!("Change the category {key}?"), &change, Care::Ask).await?;
            let asked = Change { dry_run, if_version, ..Change::default() };
            let made = context
                .connect()
                .await?
                .call::<EditCategory>(key, (), UpdateCategoryInput::new(update, &asked))
                .await?;
            context.print_change(&made, &change)
        }
        Verb::Merge { key, into, if_version, dry_run, yes } => {
            let change = ChangeArgs { note: None, dry_run, yes };
            context.check_change::<Changed<MergedCategory>>(&change)?;
            let asked = Change { dry_run, if_version, ..Change::default() };
            let api = context.connect().await?;
            if !dry_run && !yes {
                let would = MergeCategoryInput::new(into, &Change { dry_run: true, ..asked.clone() });
                let would = api.call::<MergeCategory>(key, (), would).await?;
                let services = would.item.services;
                let question = format!("Merge the category {key} into {into}, with {services} services?");
                context.confirm(&question, &change, Care::Ask).await?;
            }
            let merged = api.call::<MergeCategory>(key, (), MergeCategoryInput::new(into, &asked)).await?;
            context.print_change(&merged, &change)
        }
    }
}
