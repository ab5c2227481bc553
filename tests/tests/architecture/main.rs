//! The table of layers in `docs/ARCHITECTURE.md`, held against the imports of every crate: nothing imports what stands
//! higher, and no modules import each other in a circle.
//!
//! An import is a path in a `use` or in code that leads to an item of another module, wherever it is re-exported. Tests and
//! what only they are built with do not count.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure here is a failed test")]

mod dependencies;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::visit::{self, Visit};

const CRATES: [&str; 5] = [
    "marketplace-core",
    "marketplace-core/seed",
    "marketplace-core/seed/people",
    "marketplace-server",
    "marketplace-cli",
];

type Name = Vec<String>;

/// What stands in a module, as far as it matters here.
#[derive(Default)]
struct Module {
    file: PathBuf,
    /// Names that it brings in, each with its path.
    imports: Vec<(String, Name)>,
    /// Names that it hands on.
    handed_on: BTreeSet<String>,
    /// Paths in its code.
    paths: Vec<Name>,
}

/// The modules of a crate by their paths; the root has none.
struct Crate(BTreeMap<Name, Module>);

#[test]
fn imports_run_downwards_and_never_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let layers = layers(&fs::read_to_string(root.join("docs/ARCHITECTURE.md")).unwrap());
    let mut wrong = Vec::new();
    for name in CRATES {
        let layers = layers.get(name).unwrap_or_else(|| panic!("docs/ARCHITECTURE.md has no layers of {name}"));
        wrong.extend(faults(&Crate::read(&root.join(name).join("src")), layers));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What breaks the rules in a crate.
fn faults(krate: &Crate, layers: &BTreeMap<String, u32>) -> Vec<String> {
    let layer =
        |module: &Name| (0..=module.len()).rev().find_map(|length| layers.get(&module[..length].join("::"))).copied();
    let arrows = krate.arrows();
    let shown = |module: &Name| krate.0[module].file.display().to_string();
    let mut wrong = Vec::new();
    for (from, targets) in &arrows {
        let Some(low) = layer(from) else {
            wrong.push(format!("{}: stands in no layer; add it to the table in docs/ARCHITECTURE.md", shown(from)));
            continue;
        };
        for (to, names) in targets {
            if layer(to).is_some_and(|high| high > low) {
                let names = names.iter().cloned().collect::<Vec<_>>().join(", ");
                wrong.push(format!("{} (layer {low}) imports upwards: {} has {names}", shown(from), shown(to)));
            }
        }
    }
    for circle in circles(&arrows) {
        let mut ties = Vec::new();
        for from in &circle {
            for (to, names) in arrows[from].iter().filter(|(to, _)| circle.contains(*to)) {
                let names = names.iter().cloned().collect::<Vec<_>>().join(", ");
                ties.push(format!("    {} takes {names} from {}", shown(from), shown(to)));
            }
        }
        wrong.push(format!("a circle of {} modules:\n{}", circle.len(), ties.join("\n")));
    }
    wrong
}

/// The table: for each crate, the layer of each module (and what is below it, unless that has one of its own).
fn layers(page: &str) -> BTreeMap<String, BTreeMap<String, u32>> {
    let mut layers: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
    let mut krate = String::new();
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("### `").and_then(|rest| rest.strip_suffix('`')) {
            name.clone_into(&mut krate);
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (Some(Ok(layer)), Some(modules)) = (cells.get(1).map(|cell| cell.parse()), cells.get(3)) else { continue };
        for module in modules.split('`').skip(1).step_by(2) {
            let module = if module == "lib" { String::new() } else { module.to_owned() };
            layers.entry(krate.clone()).or_default().insert(module, layer);
        }
    }
    layers
}

impl Crate {
    fn read(src: &Path) -> Self {
        let mut modules = BTreeMap::new();
        let mut folders = vec![(src.to_owned(), Name::new())];
        while let Some((folder, above)) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
                if stem == "tests" || stem == "testing" {
                    continue;
                }
                let mut name = above.clone();
                if path.is_dir() {
                    name.push(stem);
                    folders.push((path, name));
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    if !matches!(stem.as_str(), "mod" | "lib" | "main") {
                        name.push(stem);
                    }
                    let parsed = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
                    let module: &mut Module = modules.entry(name).or_default();
                    let root = src.parent().and_then(Path::parent);
                    let shown = root.and_then(|root| path.strip_prefix(root).ok());
                    shown.unwrap_or(&path).clone_into(&mut module.file);
                    Reader(module).visit_file(&parsed);
                }
            }
        }
        Self(modules)
    }

    /// The names that each module takes from each other one.
    fn arrows(&self) -> BTreeMap<Name, BTreeMap<Name, BTreeSet<String>>> {
        let mut arrows = BTreeMap::new();
        for (name, module) in &self.0 {
            let mut targets: BTreeMap<Name, BTreeSet<String>> = BTreeMap::new();
            let local = |first: &String| module.imports.iter().find(|(alias, _)| alias == first).map(|(_, path)| path);
            let imported = module.imports.iter().filter(|(alias, _)| !module.handed_on.contains(alias));
            let written = module.paths.iter().filter_map(|path| {
                let begin = path.first()?;
                match local(begin) {
                    Some(begin) => Some(begin.iter().chain(&path[1..]).cloned().collect::<Name>()),
                    None => Some(path.clone()),
                }
            });
            for path in imported.map(|(_, path)| path.clone()).chain(written) {
                let Some((target, item)) = self.absolute(name, &path).and_then(|path| self.defined(path)) else {
                    continue;
                };
                // At the root nothing is defined: what leads there is a macro, which the language puts there.
                if target != *name && !item.is_empty() && !target.is_empty() {
                    targets.entry(target).or_default().insert(item);
                }
            }
            arrows.insert(name.clone(), targets);
        }
        arrows
    }

    /// A path from the crate's root; none for what is another crate's.
    fn absolute(&self, within: &Name, path: &[String]) -> Option<Name> {
        let mut base = within.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|first| first == "super") {
                    base.pop()?;
                    rest = &rest[1..];
                }
            }
            first => {
                base.push(first.to_owned());
                let is_child = self.0.contains_key(&base);
                base.pop();
                if !is_child {
                    return None;
                }
            }
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    /// Where what a path leads to is defined, and its name there.
    fn defined(&self, mut path: Name) -> Option<(Name, String)> {
        // Nothing is handed on so often.
        for _ in 0..8 {
            let length = (0..=path.len()).rev().find(|length| self.0.contains_key(&path[..*length]))?;
            let module = path[..length].to_vec();
            let Some(item) = path.get(length) else { return Some((module, String::new())) };
            let found = self.0[&module].imports.iter().find(|(alias, _)| alias == item);
            match found {
                Some((_, target)) => {
                    let mut next = self.absolute(&module, target)?;
                    next.extend_from_slice(&path[length + 1..]);
                    path = next;
                }
                None => return Some((module, item.clone())),
            }
        }
        None
    }
}

/// Reads a file into its module.
struct Reader<'a>(&'a mut Module);

/// Whether something is only there in tests.
fn is_of_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string().split(|c: char| !c.is_alphanumeric()).any(|word| word == "test"))
    })
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_item(&mut self, item: &'a syn::Item) {
        let attributes: &[syn::Attribute] = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            syn::Item::Enum(item) => &item.attrs,
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Static(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !is_of_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        let mut found = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut found);
        if !matches!(item.vis, syn::Visibility::Inherited) {
            self.0.handed_on.extend(found.iter().map(|(alias, _)| alias.clone()));
        }
        self.0.imports.extend(found);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.segments.len() > 1 {
            self.0.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invoked: &'a syn::Macro) {
        let text = invoked.tokens.to_string().replace(" :: ", "::").replace(":: ", "::").replace(" ::", "::");
        for word in text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
            let path: Name = word.split("::").map(str::to_owned).collect();
            if path.len() > 1 && path.iter().all(|segment| !segment.is_empty()) {
                self.0.paths.push(path);
            }
        }
        visit::visit_macro(self, invoked);
    }
}

fn flatten(tree: &syn::UseTree, above: &mut Name, found: &mut Vec<(String, Name)>) {
    let mut add = |ident: &syn::Ident, alias: &syn::Ident| {
        let mut path = above.clone();
        let mut alias = alias.to_string();
        if ident == "self" {
            if alias == "self" {
                alias = path.last().cloned().unwrap_or_default();
            }
        } else {
            path.push(ident.to_string());
        }
        found.push((alias, path));
    };
    match tree {
        syn::UseTree::Path(path) => {
            above.push(path.ident.to_string());
            flatten(&path.tree, above, found);
            above.pop();
        }
        syn::UseTree::Name(name) => add(&name.ident, &name.ident),
        syn::UseTree::Rename(name) => add(&name.ident, &name.rename),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, above, found)),
        syn::UseTree::Glob(_) => {}
    }
}

/// Modules that import each other, directly or through others (Tarjan's strongly connected components).
fn circles(arrows: &BTreeMap<Name, BTreeMap<Name, BTreeSet<String>>>) -> Vec<BTreeSet<Name>> {
    fn reached<'a>(from: &'a Name, arrows: &'a BTreeMap<Name, BTreeMap<Name, BTreeSet<String>>>) -> BTreeSet<&'a Name> {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            for to in arrows.get(module).into_iter().flat_map(BTreeMap::keys) {
                if seen.insert(to) {
                    next.push(to);
                }
            }
        }
        seen
    }
    let reach: BTreeMap<&Name, BTreeSet<&Name>> = arrows.keys().map(|from| (from, reached(from, arrows))).collect();
    let mut circles = BTreeSet::new();
    for (from, seen) in reach.iter().filter(|(from, seen)| seen.contains(*from)) {
        let back = seen.iter().filter(|to| reach.get(**to).is_some_and(|from_there| from_there.contains(*from)));
        circles.insert(back.map(|to| (*to).clone()).collect::<BTreeSet<Name>>());
    }
    circles.into_iter().collect()
}

/// The check itself finds what it is there for.
#[test]
fn an_arrow_that_runs_up_and_a_circle_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let src = folder.path().join("made-up/src");
    fs::create_dir_all(src.join("high")).unwrap();
    for (file, text) in [
        ("lib.rs", "mod low; mod high; mod odd;"),
        (
            "low.rs",
            "use crate::{high::Thing, high}; pub fn f(_: Thing) { high::deep::g() } #[cfg(test)] use crate::odd::X;",
        ),
        ("high/mod.rs", "pub mod deep; pub use self::deep::Thing;"),
        ("high/deep.rs", "pub struct Thing; pub fn g() { println!(\"{:?}\", crate::low::f as fn(_)); }"),
        ("odd.rs", "pub struct X;"),
    ] {
        fs::write(src.join(file), text).unwrap();
    }
    let page =
        "### `made-up`\n| layer | what | modules |\n|---|---|---|\n| 1 | low | `low` |\n| 2 | high | `high` `lib` |\n";
    let found = faults(&Crate::read(&src), &layers(page)["made-up"]).join("\n");
    assert!(found.contains("low.rs (layer 1) imports upwards") && found.contains("Thing, g"), "{found}");
    assert!(found.contains("a circle of 2 modules") && found.contains("takes f from"), "{found}");
    assert!(!found.contains("odd.rs takes") && !found.contains("imports upwards: made-up/src/odd.rs"), "{found}");
}
