//! The search. A page costs about the same for common and for rare words, and at any depth.
//!
//! Nothing ever ranks all matches. A page is filled along the requested order. SQLite's full-text index lists the
//! newest first: it is queried at once, for the words of which it has lists, and a few of the services found are
//! tested for the remaining conditions. In all other cases a few rows of the order's own index are tested first. When
//! much matches, these fill the page; when little does, the full-text index is queried for all matches, which are few
//! as well. All ways return the same services, so it does not matter which was used.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    matches::{Hit, Order, Wanted, crowd, is_sqlite, look_up, nearby, neighbours, sift, walk},
    model::{SearchFilter, ServiceCard, ServiceSort},
    place::{FARTHEST, Place},
    query::{Query, SearchCursor, Tier},
    store,
    tiles::Tile,
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
/// Maximum number of rows that are tested before the full-text index is queried for all matches.
const LONG_WALK: i64 = 4_000;
/// Number of rows found by the full-text index that are tested for each match that is wanted.
const SIFT: i64 = 5;
/// Number of rows after which a search by distance stops looking at places and queries all matches.
const MANY: i64 = 20_000;
/// Position before everything, in every order.
const FIRST: (i64, i64) = (i64::MAX, i64::MAX);
/// Number of matches in a sample from which on matches are not considered few.
const SAMPLE_HITS: usize = 20;
/// Number of rows in an area up to which each row may be read.
const FEW: i64 = 4_000;
/// Number of rows up to which a search by distance does not divide a tile further: each row is read, and a page needs
/// few.
const TILE: i64 = 300;

/// A match and its position in the order.
type Ranked = (SearchCursor, Hit);

/// Returns services that are public, found by words, category, place, rating and price.
///
/// # Errors
/// `invalid` with each parameter that breaks a rule, or for a cursor of another order.
pub async fn search(app: &App, filter: &SearchFilter, page: &PageRequest) -> Result<Page<ServiceCard>> {
    let limit = page.checked_limit()?;
    let mut query = filter.checked()?;
    let cursor = page.cursor::<SearchCursor>()?;
    if cursor.is_some_and(|cursor| cursor.sort != query.sort) {
        return Err(Error::invalid("/after", "is not a cursor that this list gave out"));
    }
    if query.hopeless {
        return Ok(Page { items: Vec::new(), next: None });
    }
    let now = app.now();
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let mut search = Search { conn: &mut conn, now };
    let rows = match query.sort {
        ServiceSort::Relevance => search.by_relevance(&mut query, cursor, limit + 1).await?,
        ServiceSort::Newest | ServiceSort::Rating => search.by_order(&mut query, cursor, limit + 1).await?,
        ServiceSort::Distance => search.by_distance(&mut query, cursor, limit + 1).await?,
    };
    let found = Page::from_rows(rows, limit, |(cursor, _)| *cursor);
    let numbers: Vec<i64> = found.items.iter().map(|(_, hit)| hit.number).collect();
    let cards = store::cards(&mut conn, now, &numbers).await?;
    let items = cards.into_iter().map(|mut card| {
        let from = query.place.zip(card.latitude.zip(card.longitude));
        card.distance = from.map(|(place, (latitude, longitude))| place.metres_to(latitude, longitude));
        card
    });
    Ok(Page { items: items.collect(), next: found.next })
}

struct Search<'a, 'c> {
    conn: &'a mut Conn<'c>,
    now: Timestamp,
}

impl Search<'_, '_> {
    async fn learn_typos(&mut self, query: &mut Query) -> Result<()> {
        if query.typos.is_none() {
            query.learn_typos(&neighbours(self.conn, &query.words).await?);
        }
        Ok(())
    }

    async fn by_relevance(
        &mut self,
        query: &mut Query,
        cursor: Option<SearchCursor>,
        want: i64,
    ) -> Result<Vec<Ranked>> {
        let mut rows = Vec::new();
        for (key, tier) in (0..).zip(Tier::ALL) {
            let missing = want - i64::try_from(rows.len()).unwrap_or(want);
            if missing <= 0 {
                break;
            }
            let after = match cursor {
                Some(cursor) if key < cursor.key => continue,
                Some(cursor) if key == cursor.key => cursor.number,
                _ => i64::MAX,
            };
            if tier == Tier::Typo {
                self.learn_typos(query).await?;
                if !query.has_typos() {
                    break;
                }
            }
            let hits = self.fill(query, query.at(tier), Order::Newest, (i64::MAX, after), missing).await?;
            let rank = |hit: Hit| (SearchCursor { sort: ServiceSort::Relevance, key, number: hit.number }, hit);
            rows.extend(hits.into_iter().map(rank));
        }
        Ok(rows)
    }

    async fn by_order(&mut self, query: &mut Query, cursor: Option<SearchCursor>, want: i64) -> Result<Vec<Ranked>> {
        self.learn_typos(query).await?;
        let sort = query.sort;
        let order = if sort == ServiceSort::Rating { Order::Rating } else { Order::Newest };
        let after = cursor.map_or((i64::MAX, i64::MAX), |cursor| (cursor.key, cursor.number));
        let hits = self.fill(query, query.all(), order, after, want).await?;
        let key = |hit: &Hit| if order == Order::Rating { hit.rating } else { 0 };
        let rank = |hit: Hit| (SearchCursor { sort, key: key(&hit), number: hit.number }, hit);
        Ok(hits.into_iter().map(rank).collect())
    }

    /// Returns the next matches in an order.
    async fn fill(
        &mut self,
        query: &Query,
        mut wanted: Wanted,
        order: Order,
        after: (i64, i64),
        want: i64,
    ) -> Result<Vec<Hit>> {
        let circle = query.place.zip(query.radius);
        wanted.area = circle.map(|(place, radius)| place.around(radius));
        let mut page = Filling { circle, after, want, hits: Vec::new() };
        if wanted.has.is_empty() && wanted.area.is_none() {
            // Either all rows fit, or all of them must be read: the last loop does that.
        } else if order == Order::Newest && !wanted.has.is_empty() && is_sqlite(self.conn) {
            if wanted.area.is_some() || !wanted.is_listed() {
                let rows = SAMPLE.max(SIFT * want);
                page.take(sift(self.conn, self.now, &wanted, after.1, rows, want).await?);
            }
        } else {
            self.stroll(&wanted, order, &mut page).await?;
        }
        if page.missing() <= 0 {
            return Ok(page.hits);
        }
        if wanted.area.is_some() && crowd(self.conn, &wanted, FEW + 1).await? <= FEW {
            let mut near = nearby(self.conn, self.now, &wanted).await?;
            let key = |hit: &Hit| if order == Order::Rating { (hit.rating, hit.number) } else { (0, hit.number) };
            let after = if order == Order::Rating { page.after } else { (0, page.after.1) };
            near.retain(|hit| key(hit) < after && page.is_inside(hit));
            near.sort_by_key(|hit| Reverse(key(hit)));
            near.truncate(usize::try_from(page.missing()).unwrap_or(0));
            page.hits.append(&mut near);
            return Ok(page.hits);
        }
        loop {
            let limit = page.missing();
            let found = if wanted.has.is_empty() {
                walk(self.conn, self.now, &wanted, order, page.after, None, limit).await?
            } else {
                look_up(self.conn, self.now, &wanted, order, page.after, limit).await?
            };
            let (is_full, _) = page.take(found);
            if !is_full || page.missing() <= 0 {
                return Ok(page.hits);
            }
        }
    }

    /// Tests rows along the order's index for as long as that is likely to fill a page.
    async fn stroll(&mut self, wanted: &Wanted, order: Order, page: &mut Filling) -> Result<()> {
        let (mut rows, mut walked) = (SAMPLE, 0);
        while walked + rows <= LONG_WALK {
            let found = walk(self.conn, self.now, wanted, order, page.after, Some(rows), page.missing()).await?;
            let (_, matched) = page.take(found);
            if page.missing() <= 0 || matched == 0 {
                break;
            }
            walked += rows;
            rows = ((page.missing() + 2) * rows / matched * 3 / 2).max(SAMPLE);
        }
        Ok(())
    }

    async fn by_distance(&mut self, query: &mut Query, cursor: Option<SearchCursor>, want: i64) -> Result<Vec<Ranked>> {
        let Some(place) = query.place else { return Ok(Vec::new()) };
        self.learn_typos(query).await?;
        let farthest = query.radius.unwrap_or(FARTHEST);
        let after = cursor.map_or((-1, i64::MAX), |cursor| (cursor.key.max(-1), cursor.number));
        let mut wanted = query.all();
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
        // The nearest tile comes first. Matches nearer than the nearest remaining tile are in their final order.
        let mut tiles = BinaryHeap::from([Reverse((0, Tile::ALL))]);
        while let Some(Reverse((nearest, tile))) = tiles.pop() {
            if nearest > farthest || rows.iter().filter(|(cursor, _)| cursor.key < nearest).count() >= cut {
                break;
            }
            wanted.tiles = Some(tile.numbers());
            let many = crowd(self.conn, &wanted, TILE + 1).await?;
            if many > TILE && !tile.is_smallest() {
                for quarter in tile.quarters() {
                    let (nearest, last) = quarter.metres_from(place);
                    if last >= after.0 {
                        tiles.push(Reverse((nearest, quarter)));
                    }
                }
                continue;
            }
            looked_at += many;
            if looked_at > MANY && !wanted.has.is_empty() {
                // There were fewer matches than the sample suggested.
                let all = look_up(self.conn, self.now, &query.all(), Order::Newest, FIRST, i64::MAX).await?;
                rows = rank(all);
                break;
            }
            if many > 0 {
                rows.append(&mut rank(nearby(self.conn, self.now, &wanted).await?));
            }
        }
        rows.sort_by_key(|(cursor, _)| (cursor.key, Reverse(cursor.number)));
        rows.truncate(cut);
        Ok(rows)
    }

    /// Returns all matches when there are few of them in the whole world.
    async fn all_when_few(&mut self, wanted: &Wanted) -> Result<Option<Vec<Hit>>> {
        if wanted.has.is_empty() {
            return Ok(None);
        }
        let sample = if is_sqlite(self.conn) {
            sift(self.conn, self.now, wanted, i64::MAX, SAMPLE, SAMPLE).await?
        } else {
            walk(self.conn, self.now, wanted, Order::Newest, FIRST, Some(SAMPLE), SAMPLE).await?
        };
        if sample.len() > SAMPLE_HITS {
            return Ok(None);
        }
        let all = look_up(self.conn, self.now, wanted, Order::Newest, FIRST, FEW + 1).await?;
        Ok((i64::try_from(all.len()).unwrap_or(i64::MAX) <= FEW).then_some(all))
    }
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

    fn is_inside(&self, hit: &Hit) -> bool {
        self.circle.is_none_or(|(place, radius)| within(place, radius, hit))
    }

    /// Adds the next rows found. Returns whether as many were found as were missing, and how many of them lie inside
    /// the circle.
    fn take(&mut self, mut found: Vec<Hit>) -> (bool, i64) {
        let is_full = i64::try_from(found.len()).unwrap_or(i64::MAX) >= self.missing();
        self.after = found.last().map_or(self.after, |hit| (hit.rating, hit.number));
        found.retain(|hit| self.is_inside(hit));
        let inside = i64::try_from(found.len()).unwrap_or(i64::MAX);
        self.hits.append(&mut found);
        (is_full, inside)
    }
}

fn within(place: Place, radius: i64, hit: &Hit) -> bool {
    hit.latitude.zip(hit.longitude).is_some_and(|(latitude, longitude)| place.metres_to(latitude, longitude) <= radius)
}
