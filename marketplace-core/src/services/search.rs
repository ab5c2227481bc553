//! The search. A page costs about the same for common and for rare words, and at any depth.
//!
//! Nothing ever ranks all matches. Services are in tiers (`query.rs`), and in each tier the newest come first. A page is
//! filled tier by tier: SQLite's full-text index lists the newest first, so it is read until the page is full; on
//! PostgreSQL a few rows of the order's own index are tested first, which fill the page when much matches, and then the
//! full-text index is queried for all matches, which are few. When few services match at all, they are read once and put
//! into their tiers here. All ways return the same services in the same order, so it does not matter which was used.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
};

use super::{
    categories::{self, require_known},
    category::{Known, Merged},
    model::{Estimate, FoundServices, SearchFilter, ServiceSort},
    place::{FARTHEST, Place},
    query::{MAX_COMPLETIONS, Query, SearchCursor, Tier, Vocabulary, query_words},
    search_sql::{
        Hit, Order, Relation, Turn, Wanted, crowd, crowds, fits, is_sqlite, look_up, look_up_in_turn, nearby, related,
        scan, walk,
    },
    snippets, store,
    summary::Summary,
    tiles::Tile,
    tokenizer::Word,
};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        page::{Page, PageRequest},
        time::Timestamp,
    },
    platform::db::Conn,
};

/// Number of rows that are tested to estimate how much matches.
const SAMPLE: i64 = 100;
/// Number of matches in a sample from which on matches are not considered few.
const SAMPLE_HITS: usize = 6;
/// Number of tiers that are asked for before anything else is read.
const AT_ONCE: i64 = 2;
/// Number of tiers that are read in one statement.
const IN_TURN: usize = 4;
/// Number of matches up to which all are read at once, to be ranked here.
const PROBE: i64 = 60;
/// Maximum number of rows that are tested before the full-text index is queried for all matches.
const LONG_WALK: i64 = 4_000;
/// Number of rows after which a search by distance stops looking at places and queries all matches.
const MANY: i64 = 20_000;
/// Position before everything, in every order.
const FIRST: (i64, i64) = (i64::MAX, i64::MAX);
/// Number of rows in an area, or of matches in the world, up to which each may be read.
const FEW: i64 = 1_000;
/// Number of rows up to which a search by distance does not divide a tile further: each row is read, and a page needs
/// few.
const TILE: i64 = 300;
/// Maximum number of services of which the texts are read to test whether they contain a phrase.
const MAX_PHRASE_TESTS: i64 = 2_000;

/// Number of matches that are counted; the rest is estimated.
const COUNTED: i64 = 1_000;

/// A match and its position in the order.
type Ranked = (SearchCursor, Hit);

/// Returns services that are public, found by words, category, place, rating and price.
///
/// # Errors
/// `invalid` with each parameter that breaks a rule, or for a cursor of another order.
pub async fn search(app: &App, filter: &SearchFilter, page: &PageRequest) -> Result<FoundServices> {
    let limit = page.checked_limit()?;
    let query = filter.checked()?;
    let cursor = page.cursor::<SearchCursor>()?;
    if cursor.is_some_and(|cursor| cursor.sort != query.sort) {
        return Err(Error::invalid("/after", "is not a cursor that this list gave out"));
    }
    let now = app.now();
    let (filter, known) = (filter.clone(), categories::known_categories(app).await?);
    let reading = app.db.read_lagging(move |conn| {
        Box::pin(async move { find(conn, now, &filter, query, &known, (cursor, limit)).await })
    });
    reading.await
}

async fn find(
    conn: &mut Conn<'_>,
    now: Timestamp,
    filter: &SearchFilter,
    mut query: Query,
    Known { merged, named, .. }: &Known,
    (cursor, limit): (Option<SearchCursor>, i64),
) -> Result<FoundServices> {
    if let Some(category) = filter.category {
        require_known(conn, category).await?;
        query.among(category, &merged.keys_of(category));
    }
    if !query.terms.is_empty() {
        query.name_categories(named);
        query.follow(merged);
    }
    let mut search = Search::new(conn, now, query);
    let rows = if search.query.hopeless {
        Vec::new()
    } else {
        match search.query.sort {
            ServiceSort::Relevance => search.by_relevance(cursor, limit + 1).await?,
            ServiceSort::Newest => search.by_order(Order::Newest, cursor, limit + 1).await?,
            ServiceSort::Rating => search.by_order(Order::Rating, cursor, limit + 1).await?,
            ServiceSort::Price => search.by_order(Order::Price, cursor, limit + 1).await?,
            ServiceSort::Distance => search.by_distance(cursor, limit + 1).await?,
        }
    };
    let found = Page::from_rows(rows, limit, |(cursor, _)| *cursor);
    let numbers: Vec<i64> = found.items.iter().map(|(_, hit)| hit.number).collect();
    let summary = search.summary(filter.total == Some(true), filter.facets == Some(true), merged).await?;
    let query = search.query;
    let mut cards = store::cards(conn, now, &numbers).await?;
    if filter.snippets == Some(true) {
        snippets::add(conn, &query, &numbers, &mut cards).await?;
    }
    for card in &mut cards {
        let from = query.place.zip(card.latitude.zip(card.longitude));
        card.distance = from.map(|(place, (latitude, longitude))| place.metres_to(latitude, longitude));
    }
    Ok(FoundServices { items: cards, next: found.next, total: summary.total, facets: summary.facets })
}

/// A search under way.
pub(super) struct Search<'a, 'c> {
    conn: &'a mut Conn<'c>,
    now: Timestamp,
    query: Query,
    /// Number of services of which the texts were read for phrases.
    phrase_tests: i64,
}

impl<'a, 'c> Search<'a, 'c> {
    pub fn new(conn: &'a mut Conn<'c>, now: Timestamp, query: Query) -> Self {
        Self { conn, now, query, phrase_tests: 0 }
    }

    /// Returns the numbers of some of the newest services with the query's words, or words that begin so, in title, tags or
    /// place.
    pub async fn completed(&mut self, want: i64) -> Result<Vec<i64>> {
        if self.query.terms.is_empty() {
            return Ok(Vec::new());
        }
        self.learn().await?;
        let wanted = self.query.completed();
        Ok(self.fill(wanted, Order::Newest, FIRST, want).await?.into_iter().map(|hit| hit.number).collect())
    }

    /// Reads the known words that complete and correct those of the query.
    async fn learn(&mut self) -> Result<()> {
        if self.query.is_learned {
            return Ok(());
        }
        let mut vocabulary = Vocabulary::default();
        let most = i64::try_from(MAX_COMPLETIONS).unwrap_or(0) + 1;
        let beginnings = self.query.beginnings();
        vocabulary.completions.resize_with(beginnings.len(), Vec::new);
        let words: Vec<&str> = self.query.terms.iter().map(|term| term.word.as_str()).collect();
        for (relation, word) in related(self.conn, &beginnings, most, &words, &self.query.synonyms()).await? {
            match relation {
                Relation::Begins(at) => {
                    if let Some(completions) = vocabulary.completions.get_mut(at) {
                        completions.push(word);
                    }
                }
                Relation::Near => vocabulary.neighbours.push(word),
                Relation::Synonym => {
                    vocabulary.synonyms.insert(word);
                }
            }
        }
        self.query.learn(&vocabulary);
        Ok(())
    }

    async fn by_relevance(&mut self, cursor: Option<SearchCursor>, want: i64) -> Result<Vec<Ranked>> {
        let mut rows = Vec::new();
        // What most searches find needs no known words.
        let mut tiers = self.query.full_tiers();
        tiers.retain(|tier| tier.id < AT_ONCE);
        self.rank(&tiers, cursor, want, &mut rows).await?;
        if missing(&rows, want) <= 0 {
            return Ok(rows);
        }
        self.learn().await?;
        let mut tiers = self.query.full_tiers();
        tiers.retain(|tier| tier.id >= AT_ONCE);
        self.rank(&tiers, cursor, want, &mut rows).await?;
        for chain in self.query.partial_tiers() {
            if missing(&rows, want) <= 0 {
                break;
            }
            self.rank(&chain, cursor, want, &mut rows).await?;
        }
        Ok(rows)
    }

    /// Appends the next matches of some tiers, whose conditions are nested.
    async fn rank(
        &mut self,
        tiers: &[Tier],
        cursor: Option<SearchCursor>,
        want: i64,
        rows: &mut Vec<Ranked>,
    ) -> Result<()> {
        let sort = ServiceSort::Relevance;
        let ahead: Vec<&Tier> = tiers.iter().filter(|tier| cursor.is_none_or(|cursor| tier.id >= cursor.key)).collect();
        let Some(last) = ahead.last() else { return Ok(()) };
        if ahead.len() > 2 {
            let all = Tier { id: last.id, has: last.has.clone(), lacks: Vec::new() };
            if let Some(all) = self.few(&all).await? {
                let before = tiers.first().map(|tier| tier.lacks.clone()).unwrap_or_default();
                let ranked = all.into_iter().filter_map(|hit| {
                    let text = hit.text.clone().unwrap_or_default();
                    let tokens: Vec<&str> = text.split(' ').collect();
                    if before.iter().any(|before| fits(before, &tokens)) {
                        return None;
                    }
                    let tier = tiers.iter().find(|tier| tier.matches(&tokens))?;
                    Some((SearchCursor { sort, key: tier.id, number: hit.number }, hit))
                });
                let after = cursor.map_or((i64::MIN, Reverse(i64::MAX)), |cursor| (cursor.key, Reverse(cursor.number)));
                let place = |cursor: &SearchCursor| (cursor.key, Reverse(cursor.number));
                let mut ranked: Vec<Ranked> = ranked.filter(|(cursor, _)| place(cursor) > after).collect();
                ranked.sort_by_key(|(cursor, _)| place(cursor));
                ranked.truncate(usize::try_from(missing(rows, want)).unwrap_or(0));
                rows.append(&mut ranked);
                return Ok(());
            }
        }
        let is_by_words = ahead.iter().all(|tier| !tier.has.is_empty());
        if is_sqlite(self.conn) && is_by_words && self.circle().is_none() && self.query.phrases.is_empty() {
            return self.rank_in_turn(&ahead, cursor, want, rows).await;
        }
        for tier in ahead {
            let missing = missing(rows, want);
            if missing <= 0 {
                break;
            }
            let after = cursor.filter(|cursor| cursor.key == tier.id).map_or(i64::MAX, |cursor| cursor.number);
            let mut wanted = self.query.wanted(tier);
            let mut limit = missing;
            if cursor.is_none() {
                // All services of the tiers before are in the page: leaving them out here makes the condition short.
                wanted.lacks.drain(..tier.lacks.len());
                limit = want;
            }
            let mut hits = self.fill(wanted, Order::Newest, (i64::MAX, after), limit).await?;
            hits.retain(|hit| !rows.iter().any(|(_, known)| known.number == hit.number));
            hits.truncate(usize::try_from(missing).unwrap_or(0));
            let ranked = |hit: Hit| (SearchCursor { sort, key: tier.id, number: hit.number }, hit);
            rows.extend(hits.into_iter().map(ranked));
        }
        Ok(())
    }

    /// Appends the next matches of some tiers, a few of which are read in one statement.
    async fn rank_in_turn(
        &mut self,
        tiers: &[&Tier],
        cursor: Option<SearchCursor>,
        want: i64,
        rows: &mut Vec<Ranked>,
    ) -> Result<()> {
        for some in tiers.chunks(IN_TURN) {
            let missing = missing(rows, want);
            if missing <= 0 {
                break;
            }
            let turn = |tier: &&Tier| {
                let after = cursor.filter(|cursor| cursor.key == tier.id).map_or(i64::MAX, |cursor| cursor.number);
                Turn { id: tier.id, wanted: self.query.wanted(tier), after }
            };
            let turns: Vec<Turn> = some.iter().map(turn).collect();
            let ranked =
                |hit: Hit| (SearchCursor { sort: ServiceSort::Relevance, key: hit.key, number: hit.number }, hit);
            rows.extend(look_up_in_turn(self.conn, self.now, &turns, missing).await?.into_iter().map(ranked));
        }
        Ok(())
    }

    /// Returns all matches with their texts, if they are few.
    async fn few(&mut self, tier: &Tier) -> Result<Option<Vec<Hit>>> {
        let mut wanted = self.query.wanted(tier);
        let circle = self.circle();
        wanted.area = circle.map(|(place, radius)| place.around(radius));
        let mut found = if wanted.area.is_some() {
            if crowd(self.conn, &wanted, FEW + 1).await? > FEW {
                return Ok(None);
            }
            let mut found = nearby(self.conn, self.now, &wanted, Order::Newest).await?;
            found.retain(|hit| wanted.fits(hit.text.as_deref().unwrap_or_default()));
            found
        } else {
            if !is_sqlite(self.conn) && self.sample(&wanted).await? > SAMPLE_HITS {
                return Ok(None);
            }
            let found = look_up(self.conn, self.now, &wanted, Order::Newest, FIRST, PROBE, true).await?;
            if i64::try_from(found.len()).unwrap_or(PROBE) >= PROBE {
                return Ok(None);
            }
            found
        };
        found.retain(|hit| is_inside(circle, hit));
        let with_phrases = self.with_phrases(&found).await?;
        found.retain(|hit| with_phrases.as_ref().is_none_or(|numbers| numbers.contains(&hit.number)));
        Ok(Some(found))
    }

    /// Returns the number of matches among the newest services.
    async fn sample(&mut self, wanted: &Wanted) -> Result<usize> {
        let sample = walk(self.conn, self.now, wanted, Order::Newest, FIRST, SAMPLE).await?;
        Ok(sample.iter().filter(|hit| wanted.fits(hit.text.as_deref().unwrap_or_default())).count())
    }

    fn circle(&self) -> Option<(Place, i64)> {
        self.query.place.zip(self.query.radius)
    }

    /// Returns the numbers of those services whose texts contain every phrase of the query, and none that is excluded; `None`
    /// without phrases.
    async fn with_phrases(&mut self, hits: &[Hit]) -> Result<Option<HashSet<i64>>> {
        if self.query.phrases.is_empty() {
            return Ok(None);
        }
        let numbers: Vec<i64> = hits.iter().map(|hit| hit.number).collect();
        self.phrase_tests += i64::try_from(numbers.len()).unwrap_or(0);
        let mut found = HashSet::new();
        for texts in store::texts(self.conn, &numbers).await? {
            let all: Vec<Vec<Word>> = texts.all().map(|text| query_words(text)).collect();
            if self.query.phrases.iter().all(|phrase| phrase.fits(&all)) {
                found.insert(texts.number);
            }
        }
        Ok(Some(found))
    }

    /// Returns what a search in another order than by relevance finds: the best matches only, as the order says nothing
    /// about how well a service matches.
    async fn chosen(&mut self) -> Result<Wanted> {
        self.learn().await?;
        let choices = self.query.choices();
        let fallback = choices.first().cloned().unwrap_or_default();
        if choices.len() == 1 {
            return Ok(fallback);
        }
        for choice in choices {
            if !self.fill(choice.clone(), Order::Newest, FIRST, 1).await?.is_empty() {
                return Ok(choice);
            }
        }
        Ok(fallback)
    }

    async fn by_order(&mut self, order: Order, cursor: Option<SearchCursor>, want: i64) -> Result<Vec<Ranked>> {
        let sort = self.query.sort;
        let wanted = self.chosen().await?;
        let after = cursor.map_or(FIRST, |cursor| (cursor.key, cursor.number));
        let hits = self.fill(wanted, order, after, want).await?;
        let rank = |hit: Hit| (SearchCursor { sort, key: hit.key, number: hit.number }, hit);
        Ok(hits.into_iter().map(rank).collect())
    }

    /// Returns the next matches in an order.
    async fn fill(&mut self, mut wanted: Wanted, order: Order, after: (i64, i64), want: i64) -> Result<Vec<Hit>> {
        let circle = self.circle();
        wanted.area = circle.map(|(place, radius)| place.around(radius));
        let mut page = Filling { circle, after, want, hits: Vec::new() };
        if wanted.area.is_some() && crowd(self.conn, &wanted, FEW + 1).await? <= FEW {
            let mut near = nearby(self.conn, self.now, &wanted, order).await?;
            let key = |hit: &Hit| (hit.key, hit.number);
            let after = if order == Order::Newest { (0, page.after.1) } else { page.after };
            near.retain(|hit| key(hit) < after);
            near.sort_by_key(|hit| Reverse(key(hit)));
            self.take(&mut page, &wanted, near).await?;
            return Ok(page.hits);
        }
        let only_category = wanted.category.is_some() && wanted.has.len() == 1 && order == Order::Newest;
        if only_category {
            wanted.has.clear();
        } else {
            wanted.category = None;
        }
        if wanted.has.is_empty() {
            loop {
                let limit = page.batch(!wanted.lacks.is_empty());
                let found = scan(self.conn, self.now, &wanted, order, page.after, limit).await?;
                let is_last = i64::try_from(found.len()).unwrap_or(limit) < limit;
                self.take(&mut page, &wanted, found).await?;
                if is_last || page.missing() <= 0 {
                    return Ok(page.hits);
                }
            }
        }
        if order != Order::Newest || !is_sqlite(self.conn) {
            self.stroll(&wanted, order, &mut page).await?;
        }
        while page.missing() > 0 && self.phrase_tests < MAX_PHRASE_TESTS {
            let limit = page.batch(!self.query.phrases.is_empty());
            let found = look_up(self.conn, self.now, &wanted, order, page.after, limit, false).await?;
            let is_last = i64::try_from(found.len()).unwrap_or(limit) < limit;
            self.take(&mut page, &wanted, found).await?;
            if is_last {
                break;
            }
        }
        Ok(page.hits)
    }

    /// Tests rows along the order's index for as long as that is likely to fill a page.
    async fn stroll(&mut self, wanted: &Wanted, order: Order, page: &mut Filling) -> Result<()> {
        let (mut rows, mut walked) = (SAMPLE, 0);
        while walked + rows <= LONG_WALK {
            let found = walk(self.conn, self.now, wanted, order, page.after, rows).await?;
            let matched = self.take(page, wanted, found).await?;
            if page.missing() <= 0 || matched == 0 {
                break;
            }
            walked += rows;
            rows = ((page.missing() + 2) * rows / matched * 3 / 2).max(SAMPLE);
        }
        Ok(())
    }

    /// Adds the next rows found that meet what the engine did not test: words, where it returned the text, phrases, and the
    /// circle. Returns how many did.
    async fn take(&mut self, page: &mut Filling, wanted: &Wanted, mut found: Vec<Hit>) -> Result<i64> {
        let last = found.last().map(|hit| (hit.key, hit.number));
        found.retain(|hit| hit.text.as_ref().is_none_or(|text| wanted.fits(text)) && is_inside(page.circle, hit));
        if let Some(numbers) = self.with_phrases(&found).await? {
            found.retain(|hit| numbers.contains(&hit.number));
        }
        let matched = i64::try_from(found.len()).unwrap_or(i64::MAX);
        let room = usize::try_from(page.missing()).unwrap_or(0);
        page.after = last.unwrap_or(page.after);
        page.hits.extend(found.into_iter().take(room));
        Ok(matched)
    }

    async fn by_distance(&mut self, cursor: Option<SearchCursor>, want: i64) -> Result<Vec<Ranked>> {
        let Some(place) = self.query.place else { return Ok(Vec::new()) };
        let farthest = self.query.radius.unwrap_or(FARTHEST);
        let after = cursor.map_or((-1, i64::MAX), |cursor| (cursor.key.max(-1), cursor.number));
        let mut wanted = self.chosen().await?;
        wanted.category = None;
        let rank = |hits: Vec<Hit>| -> Vec<Ranked> {
            let ranked = hits.into_iter().filter_map(|hit| {
                let key = place.metres_to(hit.latitude?, hit.longitude?);
                let next = key > after.0 || (key == after.0 && hit.number < after.1);
                let cursor = SearchCursor { sort: ServiceSort::Distance, key, number: hit.number };
                (next && key <= farthest).then_some((cursor, hit))
            });
            ranked.collect()
        };
        let cut = usize::try_from(want).unwrap_or(0);
        if let Some(all) = self.all_when_few(&wanted).await? {
            let mut rows = rank(all);
            rows.sort_by_key(|(cursor, _)| (cursor.key, Reverse(cursor.number)));
            rows.truncate(cut);
            return Ok(rows);
        }
        let mut rows: Vec<Ranked> = Vec::new();
        let mut looked_at = 0;
        // The nearest tile comes first, with the number of services in it, up to a limit. Matches nearer than the nearest remaining
        // tile are in their final order.
        let mut tiles = BinaryHeap::from([Reverse((0, Tile::ALL, TILE + 1))]);
        while let Some(Reverse((nearest, tile, many))) = tiles.pop() {
            if nearest > farthest || rows.iter().filter(|(cursor, _)| cursor.key < nearest).count() >= cut {
                break;
            }
            if many > TILE && !tile.is_smallest() {
                let near = tile.quarters().filter_map(|quarter| {
                    let (nearest, last) = quarter.metres_from(place);
                    (nearest <= farthest && last >= after.0).then_some((nearest, quarter))
                });
                let near: Vec<(i64, Tile)> = near.collect();
                let of = |(_, tile): &(i64, Tile)| Wanted { tiles: Some(tile.numbers()), ..Wanted::default() };
                let counts = crowds(self.conn, &near.iter().map(of).collect::<Vec<_>>(), TILE + 1).await?;
                let crowded = near.into_iter().zip(counts).filter(|(_, many)| *many > 0);
                tiles.extend(crowded.map(|((nearest, tile), many)| Reverse((nearest, tile, many))));
                continue;
            }
            wanted.tiles = Some(tile.numbers());
            looked_at += many;
            if looked_at > MANY && !wanted.has.is_empty() {
                // There were fewer matches than the sample suggested.
                wanted.tiles = None;
                let all = look_up(self.conn, self.now, &wanted, Order::Newest, FIRST, i64::MAX, false).await?;
                rows = rank(self.phrased(all).await?);
                break;
            }
            let mut near = nearby(self.conn, self.now, &wanted, Order::Newest).await?;
            near.retain(|hit| hit.text.as_ref().is_none_or(|text| wanted.fits(text)));
            rows.append(&mut rank(self.phrased(near).await?));
        }
        rows.sort_by_key(|(cursor, _)| (cursor.key, Reverse(cursor.number)));
        rows.truncate(cut);
        Ok(rows)
    }

    /// Counts what is found, from its newest part when there is more.
    async fn summary(&mut self, with_total: bool, with_facets: bool, merged: &Merged) -> Result<Summary> {
        if !with_total && !with_facets {
            return Ok(Summary::default());
        }
        if self.query.hopeless {
            return Ok(Summary::of(&[], Estimate { value: 0, exact: true }, with_total, with_facets));
        }
        let wanted = self.chosen().await?;
        let hits = self.fill(wanted, Order::Newest, FIRST, COUNTED + 1).await?;
        let numbers: Vec<i64> = hits.iter().map(|hit| hit.number).collect();
        let newest = store::newest_number(self.conn).await?;
        let total = Estimate::of(&numbers, COUNTED, newest);
        let mut rows = if with_facets { store::facet_rows(self.conn, &numbers).await? } else { Vec::new() };
        for (category, ..) in &mut rows {
            *category = merged.resolve(*category);
        }
        Ok(Summary::of(&rows, total, with_total, with_facets))
    }

    /// Returns those hits that contain the phrases of the query.
    async fn phrased(&mut self, mut hits: Vec<Hit>) -> Result<Vec<Hit>> {
        if let Some(numbers) = self.with_phrases(&hits).await? {
            hits.retain(|hit| numbers.contains(&hit.number));
        }
        Ok(hits)
    }

    /// Returns all matches when there are few of them in the whole world.
    async fn all_when_few(&mut self, wanted: &Wanted) -> Result<Option<Vec<Hit>>> {
        if wanted.has.is_empty() || (!is_sqlite(self.conn) && self.sample(wanted).await? > SAMPLE_HITS) {
            return Ok(None);
        }
        let all = look_up(self.conn, self.now, wanted, Order::Newest, FIRST, FEW + 1, false).await?;
        if i64::try_from(all.len()).unwrap_or(i64::MAX) > FEW {
            return Ok(None);
        }
        self.phrased(all).await.map(Some)
    }
}

fn missing(rows: &[Ranked], want: i64) -> i64 {
    want - i64::try_from(rows.len()).unwrap_or(want)
}

fn is_inside(circle: Option<(Place, i64)>, hit: &Hit) -> bool {
    let within = |(place, radius): (Place, i64)| {
        let at = hit.latitude.zip(hit.longitude);
        at.is_some_and(|(latitude, longitude)| place.metres_to(latitude, longitude) <= radius)
    };
    circle.is_none_or(within)
}

/// A page that is being filled along an order.
struct Filling {
    /// Centre, and maximum distance from it in metres.
    circle: Option<(Place, i64)>,
    /// Position after which the page continues.
    after: (i64, i64),
    want: i64,
    hits: Vec<Hit>,
}

impl Filling {
    fn missing(&self) -> i64 {
        self.want - i64::try_from(self.hits.len()).unwrap_or(self.want)
    }

    /// Returns how many rows to read next: more than are missing when not each will do.
    fn batch(&self, is_tested: bool) -> i64 {
        if is_tested || self.circle.is_some() { (self.missing() * 3).max(SAMPLE) } else { self.missing() }
    }
}
