//! The search. A page costs about the same for common and for rare words, and at any depth.
//!
//! Nothing ever ranks everything. A page is filled along the order that was asked for: first a few rows of the order's own
//! index are tested. Where much matches that is the page; where little does, the full-text index is asked instead, and
//! what it finds is little, too. Both answer the same, so it does not matter which did.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    matches::{Hit, Order, Span, Wanted, crowd, farther, look_up, nearby, neighbours, newest, walk},
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

/// Rows that are tested to see how much matches.
const SAMPLE: i64 = 400;
/// Rows that are tested at most before the full-text index is asked.
const LONG_WALK: i64 = 20_000;
/// Rows in an area of which each may be looked at.
const FEW: i64 = 4_000;
/// Rows in a tile of a search by distance that is not cut further: each is looked at, and a page needs few.
const TILE: i64 = 300;

/// A match and its place in the order.
type Ranked = (SearchCursor, Hit);

/// Services that everybody may see, found by words, kind, place, stars, price.
///
/// Errors: `invalid` with each parameter that breaks a rule, or a cursor of another order.
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

    /// The next matches in an order.
    async fn fill(
        &mut self,
        query: &Query,
        mut wanted: Wanted,
        order: Order,
        mut after: (i64, i64),
        want: i64,
    ) -> Result<Vec<Hit>> {
        let circle = query.place.zip(query.radius);
        wanted.area = circle.map(|(place, radius)| place.around(radius));
        let inside = |hit: &Hit| circle.is_none_or(|(place, radius)| within(place, radius, hit));
        let mut hits: Vec<Hit> = Vec::new();
        let missing = |hits: &Vec<Hit>| want - i64::try_from(hits.len()).unwrap_or(want);
        let (mut rows, mut walked) = (SAMPLE, 0);
        loop {
            let Some(until) = self.behind(order, after, rows).await? else { return Ok(hits) };
            let span = Span { after, until };
            let mut found = walk(self.conn, self.now, &wanted, order, span, missing(&hits)).await?;
            let full = i64::try_from(found.len()).unwrap_or(want) >= missing(&hits);
            let last = found.last().map(|hit| (hit.rating, hit.number));
            found.retain(inside);
            let matched = i64::try_from(found.len()).unwrap_or(want);
            hits.append(&mut found);
            if missing(&hits) <= 0 {
                return Ok(hits);
            }
            // A full answer of which the area's corners were cut off: there may be more in the same span.
            after = last.filter(|_| full).unwrap_or(until);
            if !full && (until.1 <= 1 && order == Order::Newest || until.0 < 0 && order == Order::Rating) {
                return Ok(hits);
            }
            walked += rows;
            rows = if matched == 0 { rows * 4 } else { (missing(&hits) + 2) * rows / matched * 3 / 2 };
            rows = rows.clamp(SAMPLE, LONG_WALK);
            let hopeful = matched > 0 && walked + rows <= LONG_WALK;
            if hopeful || (wanted.has.is_empty() && wanted.area.is_none()) {
                continue;
            }
            break;
        }
        if wanted.area.is_some() && crowd(self.conn, &wanted, FEW + 1).await? <= FEW {
            let mut near = nearby(self.conn, self.now, &wanted).await?;
            let key = |hit: &Hit| if order == Order::Rating { (hit.rating, hit.number) } else { (0, hit.number) };
            let after = if order == Order::Rating { after } else { (0, after.1) };
            near.retain(|hit| key(hit) < after && inside(hit));
            near.sort_by_key(|hit| Reverse(key(hit)));
            near.truncate(usize::try_from(missing(&hits)).unwrap_or(0));
            hits.append(&mut near);
            return Ok(hits);
        }
        loop {
            let limit = missing(&hits);
            let span = Span::after(after);
            let mut found = if wanted.has.is_empty() {
                walk(self.conn, self.now, &wanted, order, span, limit).await?
            } else {
                look_up(self.conn, self.now, &wanted, order, span, limit).await?
            };
            let full = i64::try_from(found.len()).unwrap_or(limit) >= limit;
            after = found.last().map_or(after, |hit| (hit.rating, hit.number));
            found.retain(inside);
            hits.append(&mut found);
            if !full || missing(&hits) <= 0 {
                return Ok(hits);
            }
        }
    }

    /// Where so many rows end that come after a position in an order; none when nothing comes after it.
    async fn behind(&mut self, order: Order, after: (i64, i64), rows: i64) -> Result<Option<(i64, i64)>> {
        match order {
            Order::Newest => {
                let start = if after.1 == i64::MAX { newest(self.conn).await?.saturating_add(1) } else { after.1 };
                Ok((start > 1).then(|| (i64::MIN, start.saturating_sub(rows).max(1))))
            }
            Order::Rating => {
                if after.0 < 0 || (after.0 == 0 && after.1 <= 1) {
                    return Ok(None);
                }
                // Nothing is behind the last: one span more, which ends where no service can be.
                let end = farther(self.conn, after, rows - 1).await?;
                Ok(Some(end.unwrap_or((-1, 0))))
            }
        }
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
        // The nearest tile first. What is nearer than the nearest that is left is in its final order.
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
            if looked_at > LONG_WALK && !wanted.has.is_empty() {
                // Fewer than the sample promised.
                let first = Span::after((i64::MAX, i64::MAX));
                let all = look_up(self.conn, self.now, &query.all(), Order::Newest, first, i64::MAX).await?;
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

    /// All matches, when a sample shows that there are few of them all over the world.
    async fn all_when_few(&mut self, wanted: &Wanted) -> Result<Option<Vec<Hit>>> {
        let first = (i64::MAX, i64::MAX);
        let Some(until) = self.behind(Order::Newest, first, SAMPLE).await? else { return Ok(Some(Vec::new())) };
        let span = Span { after: first, until };
        let sample = walk(self.conn, self.now, wanted, Order::Newest, span, SAMPLE).await?;
        if until.1 <= 1 {
            return Ok(Some(sample));
        }
        if !sample.is_empty() || wanted.has.is_empty() {
            return Ok(None);
        }
        let all = look_up(self.conn, self.now, wanted, Order::Newest, Span::after(first), FEW + 1).await?;
        Ok((i64::try_from(all.len()).unwrap_or(i64::MAX) <= FEW).then_some(all))
    }
}

fn within(place: Place, radius: i64, hit: &Hit) -> bool {
    hit.latitude.zip(hit.longitude).is_some_and(|(latitude, longitude)| place.metres_to(latitude, longitude) <= radius)
}
