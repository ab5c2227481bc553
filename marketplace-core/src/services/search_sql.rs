//! The conditions that a service must meet, written for both engines: as an expression of the full-text index, or tested
//! here on the indexed text. All ways select exactly the same services, because the index holds exactly the tokens of that
//! text.

use std::{collections::BTreeSet, fmt::Write};

use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow, postgres::PgRow, sqlite::SqliteRow};

use super::{model::Category, place::Area, typos::query_parts};
use crate::{
    base::{
        error::{Error, Result},
        time::Timestamp,
    },
    platform::db::{Conn, DbError},
    profiles::worker_is_public,
};

/// A word that a service may contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// The word, with its mark.
    pub text: String,
    /// Whether words that begin with it match as well.
    pub prefix: bool,
}

impl Token {
    /// Returns whether a service with these tokens, in order, has this one.
    pub fn is_in(&self, tokens: &[&str]) -> bool {
        let at = tokens.partition_point(|token| *token < self.text.as_str());
        let found = tokens.get(at);
        found.is_some_and(|token| if self.prefix { token.starts_with(&self.text) } else { **token == *self.text })
    }
}

/// A conjunction of disjunctions: a service must contain at least one token of each inner list.
pub(super) type Clauses = Vec<Vec<Token>>;

/// Conditions that a service must meet.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Words that it contains.
    pub has: Clauses,
    /// Conditions on its words that it does not meet.
    pub lacks: Vec<Clauses>,
    /// Its category.
    pub category: Option<Category>,
    /// Whether its worker must be available for new work.
    pub available: bool,
    /// Minimum rating in thousandths of a star.
    pub min_rating: Option<i64>,
    /// Currency, and the least and greatest price in its minor units.
    pub price: Option<(String, i64, i64)>,
    /// Whether it must have coordinates.
    pub placed: bool,
    /// Area in which it must lie.
    pub area: Option<Area>,
    /// First and last number of the tiles in which it must lie.
    pub tiles: Option<(i64, i64)>,
}

impl Wanted {
    /// Returns whether there are conditions on words.
    pub fn has_words(&self) -> bool {
        !self.has.is_empty() || !self.lacks.is_empty()
    }

    /// Returns whether an indexed text meets the conditions on words.
    pub fn fits(&self, text: &str) -> bool {
        let tokens: Vec<&str> = text.split(' ').collect();
        fits(&self.has, &tokens) && !self.lacks.iter().any(|lacks| fits(lacks, &tokens))
    }
}

/// Returns whether a service with these tokens, in order, meets a condition.
pub(super) fn fits(clauses: &Clauses, tokens: &[&str]) -> bool {
    clauses.iter().all(|clause| clause.iter().any(|token| token.is_in(tokens)))
}

/// A service that matches.
#[derive(Debug, Clone, PartialEq, sqlx_macros::FromRow)]
pub(super) struct Hit {
    pub number: i64,
    /// Its first sort key, largest first: see [`Order`].
    pub key: i64,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    /// The indexed text, if it was asked for.
    pub text: Option<String>,
}

/// Order of matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Newest publication first.
    Newest,
    /// Best average rating first, then newest.
    Rating,
    /// Smallest amount first, then newest; services without a price last.
    Price,
}

impl Order {
    /// Returns the first sort key of a service, largest first; all have the same when there is only the number.
    const fn key(self) -> &'static str {
        match self {
            Self::Newest => "CAST(0 AS BIGINT)",
            Self::Rating => "s.rating",
            // As in the index `services_price`.
            Self::Price => "(-coalesce(s.price_amount, 9223372036854775807))",
        }
    }
}

enum Bind {
    Int(i64),
    Float(f64),
    Text(String),
    Time(Timestamp),
}

/// A statement under construction: its text, and its values in order.
#[derive(Default)]
struct Sql {
    text: String,
    binds: Vec<Bind>,
}

impl Sql {
    fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    fn bind(&mut self, value: Bind) -> &mut Self {
        self.binds.push(value);
        // Writing to a `String` cannot fail.
        let _ = write!(self.text, "${}", self.binds.len());
        self
    }

    fn limit(&mut self, rows: i64) -> &mut Self {
        self.push(" LIMIT (").bind(Bind::Int(rows)).push(" + 0)")
    }

    /// Appends a table `k` with the column `value` of some texts.
    fn listed<T: Serialize>(&mut self, texts: &T, sqlite: bool) -> Result<&mut Self> {
        let texts = serde_json::to_string(texts).map_err(Error::internal)?;
        self.push(if sqlite { "json_each(" } else { "json_array_elements_text(" }).bind(Bind::Text(texts));
        Ok(self.push(if sqlite { ") AS k" } else { "::json) AS k (value)" }))
    }

    async fn run<R>(&mut self, conn: &mut Conn<'_>) -> Result<Vec<R>>
    where
        R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        macro_rules! run {
            ($conn:expr) => {{
                let mut query = sqlx::query_as::<_, R>(AssertSqlSafe(std::mem::take(&mut self.text)));
                for value in std::mem::take(&mut self.binds) {
                    query = match value {
                        Bind::Int(value) => query.bind(value),
                        Bind::Float(value) => query.bind(value),
                        Bind::Text(value) => query.bind(value),
                        Bind::Time(value) => query.bind(value),
                    };
                }
                query.fetch_all($conn).await
            }};
        }
        let rows = match conn {
            Conn::Sqlite(conn) => run!(&mut **conn),
            Conn::Pg(conn) => run!(&mut **conn),
        };
        Ok(rows.map_err(DbError::from)?)
    }
}

pub(super) fn is_sqlite(conn: &Conn<'_>) -> bool {
    matches!(conn, Conn::Sqlite(_))
}

/// Returns the words as an expression, with the signs of an engine's full-text index.
fn expression(wanted: &Wanted, token: impl Fn(&Token) -> String, [and, or, not]: [&str; 3]) -> String {
    let all = |clauses: &Clauses| {
        let any = |clause: &Vec<Token>| format!("({})", clause.iter().map(&token).collect::<Vec<_>>().join(or));
        clauses.iter().map(any).collect::<Vec<_>>().join(and)
    };
    let has = all(&wanted.has);
    if wanted.lacks.is_empty() {
        return has;
    }
    let lacks: Vec<String> = wanted.lacks.iter().map(|lacks| format!("({})", all(lacks))).collect();
    format!("({has}){not}({})", lacks.join(or))
}

/// Returns the words as an expression for SQLite's full-text index.
fn fts_expression(wanted: &Wanted) -> String {
    let token = |token: &Token| format!("\"{}\"{}", token.text, if token.prefix { "*" } else { "" });
    expression(wanted, token, [" AND ", " OR ", " NOT "])
}

/// Returns the words as an expression for PostgreSQL's full-text index.
fn ts_expression(wanted: &Wanted) -> String {
    let token = |token: &Token| format!("'{}'{}", token.text, if token.prefix { ":*" } else { "" });
    expression(wanted, token, [" & ", " | ", " & !"])
}

fn in_area(sql: &mut Sql, area: &Area) {
    let between = |sql: &mut Sql, column: &str, (from, to): (f64, f64)| {
        sql.push(column).push(" BETWEEN ").bind(Bind::Float(from)).push(" AND ").bind(Bind::Float(to));
    };
    between(sql, "s.latitude", (area.south, area.north));
    sql.push(" AND (");
    let [first, second] = area.ranges;
    between(sql, "s.longitude", first);
    if second != first {
        sql.push(" OR ");
        between(sql, "s.longitude", second);
    }
    sql.push(")");
}

fn place_tests(sql: &mut Sql, wanted: &Wanted) {
    if (wanted.placed && wanted.tiles.is_none()) || wanted.area.is_some() {
        sql.push(" AND s.latitude IS NOT NULL");
    }
    if let Some(area) = &wanted.area {
        sql.push(" AND ");
        in_area(sql, area);
    }
    if let Some((first, last)) = wanted.tiles {
        sql.push(" AND s.tile IS NOT NULL AND s.tile BETWEEN ").bind(Bind::Int(first));
        sql.push(" AND ").bind(Bind::Int(last));
    }
}

/// Appends all conditions that are not about words.
fn other_tests(sql: &mut Sql, wanted: &Wanted, now: Timestamp, sqlite: bool) {
    place_tests(sql, wanted);
    if let Some(rating) = wanted.min_rating {
        sql.push(" AND s.rating >= ").bind(Bind::Int(rating));
    }
    if let Some((currency, from, to)) = &wanted.price {
        sql.push(" AND s.price_currency = ").bind(Bind::Text(currency.clone()));
        sql.push(" AND s.price_amount BETWEEN ").bind(Bind::Int(*from)).push(" AND ").bind(Bind::Int(*to));
    }
    // Not by the index of staff's list, which is in another order.
    sql.push(if sqlite { " AND +s.status = 'published'" } else { " AND s.status = 'published'" });
    if sqlite {
        sql.push(" AND ");
        public_worker(sql, now);
    }
    if wanted.available {
        sql.push(" AND coalesce(w.available, TRUE) AND (w.away_until IS NULL OR w.away_until <= ");
        sql.bind(Bind::Time(now)).push(")");
    }
}

fn joins(sql: &mut Sql, wanted: &Wanted, now: Timestamp, sqlite: bool) {
    // Workers are read row by row, by key. On SQLite, CROSS JOIN fixes the order in which tables are read;
    // PostgreSQL's planner would otherwise prefer to read all users while it does not know the values.
    sql.push(if sqlite {
        " CROSS JOIN users u ON u.id = s.worker_id"
    } else {
        " JOIN LATERAL (SELECT 1 FROM users u WHERE u.id = s.worker_id AND "
    });
    if !sqlite {
        public_worker(sql, now);
        sql.push(" OFFSET 0) u ON TRUE");
    }
    if wanted.available {
        sql.push(if sqlite {
            " LEFT JOIN worker_profiles w ON w.user_id = s.worker_id"
        } else {
            " LEFT JOIN LATERAL (SELECT available, away_until FROM worker_profiles WHERE user_id = s.worker_id OFFSET 0) w ON TRUE"
        });
    }
}

/// Appends the condition that the worker is public, from the worker's own row: the mark on the service may be
/// outdated.
fn public_worker(sql: &mut Sql, now: Timestamp) {
    for (at, piece) in worker_is_public!("\u{1}").split('\u{1}').enumerate() {
        if at > 0 {
            sql.bind(Bind::Time(now));
        }
        sql.push(piece);
    }
}

fn behind(sql: &mut Sql, order: Order, after: (i64, i64)) {
    match order {
        Order::Newest => sql.push(" AND s.number < ").bind(Bind::Int(after.1)),
        Order::Rating | Order::Price => {
            if order == Order::Price {
                // In a row of values, SQLite does not recognise the expression of the index.
                sql.push(" AND ").push(order.key()).push(" <= ").bind(Bind::Int(after.0));
            }
            sql.push(" AND (").push(order.key()).push(", s.number) < (").bind(Bind::Int(after.0)).push(", ");
            sql.bind(Bind::Int(after.1)).push(")")
        }
    };
}

fn in_order(sql: &mut Sql, order: Order) {
    if order == Order::Newest {
        sql.push(" ORDER BY s.number DESC");
    } else {
        sql.push(" ORDER BY ").push(order.key()).push(" DESC, s.number DESC");
    }
}

/// Appends the columns of a [`Hit`].
fn columns(sql: &mut Sql, order: Order, with_text: bool) {
    sql.push("SELECT s.number, ").push(order.key()).push(" AS key, s.latitude, s.longitude, ");
    sql.push(if with_text { "s.search_text AS text FROM " } else { "CAST(NULL AS TEXT) AS text FROM " });
}

fn visible(sqlite: bool) -> &'static str {
    if sqlite { " WHERE s.visible = 1" } else { " WHERE s.visible" }
}

/// Walks along the index of the order and returns each row that meets the conditions besides words, with its text if there
/// are conditions on words. Tests only a number of rows.
pub(super) async fn walk(
    conn: &mut Conn<'_>,
    now: Timestamp,
    wanted: &Wanted,
    order: Order,
    after: (i64, i64),
    rows: i64,
) -> Result<Vec<Hit>> {
    let sqlite = is_sqlite(conn);
    let mut sql = Sql::default();
    columns(&mut sql, order, wanted.has_words());
    sql.push("(SELECT number, rating, latitude, longitude, search_text, status, worker_id, price_currency, price_amount, tile FROM services s");
    sql.push(visible(sqlite));
    behind(&mut sql, order, after);
    in_order(&mut sql, order);
    sql.limit(rows).push(") s");
    joins(&mut sql, wanted, now, sqlite);
    sql.push(" WHERE TRUE");
    other_tests(&mut sql, wanted, now, sqlite);
    // SQLite reads the subquery in the subquery's order; if the order were stated again, it would sort all rows first.
    if !sqlite {
        in_order(&mut sql, order);
    }
    sql.run(conn).await
}

/// Returns the next rows in an order that meet the conditions besides words, however many others lie between. Those of a
/// category have an index of their own, newest first.
pub(super) async fn scan(
    conn: &mut Conn<'_>,
    now: Timestamp,
    wanted: &Wanted,
    order: Order,
    after: (i64, i64),
    limit: i64,
) -> Result<Vec<Hit>> {
    let sqlite = is_sqlite(conn);
    let mut sql = Sql::default();
    columns(&mut sql, order, wanted.has_words());
    let is_indexed = sqlite && order == Order::Newest && wanted.category.is_some();
    sql.push(if is_indexed { "services s INDEXED BY services_category" } else { "services s" });
    joins(&mut sql, wanted, now, sqlite);
    sql.push(visible(sqlite));
    if let Some(category) = wanted.category {
        sql.push(" AND s.category = ").bind(Bind::Text(category.as_str().to_owned()));
    }
    behind(&mut sql, order, after);
    other_tests(&mut sql, wanted, now, sqlite);
    in_order(&mut sql, order);
    sql.limit(limit).run(conn).await
}

/// Finds matches through the full-text index. There must be words. On SQLite, the index lists the newest first, so it is
/// read only until the page is full. With `with_text`, the indexed texts are returned as well.
pub(super) async fn look_up(
    conn: &mut Conn<'_>,
    now: Timestamp,
    wanted: &Wanted,
    order: Order,
    after: (i64, i64),
    limit: i64,
    with_text: bool,
) -> Result<Vec<Hit>> {
    let sqlite = is_sqlite(conn);
    let mut sql = Sql::default();
    if sqlite {
        columns(&mut sql, order, with_text);
        from_index(&mut sql, now, wanted, order, after);
        return sql.limit(limit).run(conn).await;
    }
    // First everything that contains the words is read, from the index alone: other conditions could lead the planner to
    // another index, and so could the words themselves, which a subquery prevents.
    sql.push("WITH s AS MATERIALIZED (SELECT number, rating, latitude, longitude, price_currency, price_amount, status, worker_id, \
              tile, search_text FROM services WHERE visible AND array_to_tsvector(string_to_array(search_text, ' ')) @@ (SELECT ");
    sql.bind(Bind::Text(ts_expression(wanted))).push("::tsquery)) ");
    columns(&mut sql, order, with_text);
    sql.push("s");
    joins(&mut sql, wanted, now, false);
    sql.push(" WHERE TRUE");
    behind(&mut sql, order, after);
    other_tests(&mut sql, wanted, now, false);
    in_order(&mut sql, order);
    sql.limit(limit).run(conn).await
}

/// Appends SQLite's full-text index with all conditions, in an order.
fn from_index(sql: &mut Sql, now: Timestamp, wanted: &Wanted, order: Order, after: (i64, i64)) {
    sql.push("services_fts CROSS JOIN services s ON s.number = services_fts.rowid");
    joins(sql, wanted, now, true);
    sql.push(" WHERE services_fts MATCH ").bind(Bind::Text(fts_expression(wanted)));
    if order == Order::Newest {
        // The index accepts this condition and continues from there by itself.
        sql.push(" AND services_fts.rowid < ").bind(Bind::Int(after.1));
    } else {
        behind(sql, order, after);
    }
    other_tests(sql, wanted, now, true);
    if order == Order::Newest {
        sql.push(" ORDER BY services_fts.rowid DESC");
    } else {
        in_order(sql, order);
    }
}

/// A tier whose turn it is.
pub(super) struct Turn {
    /// Its number.
    pub id: i64,
    /// Its conditions, which exclude the tiers before.
    pub wanted: Wanted,
    /// The number of the service after which it goes on.
    pub after: i64,
}

/// Finds the next matches of some tiers through SQLite's full-text index, in one statement: tier after tier, in each the newest
/// first, with the tier's number as the key. A tier is not read when those before have enough.
pub(super) async fn look_up_in_turn(
    conn: &mut Conn<'_>,
    now: Timestamp,
    turns: &[Turn],
    limit: i64,
) -> Result<Vec<Hit>> {
    let mut sql = Sql::default();
    for (at, turn) in turns.iter().enumerate() {
        sql.push(if at == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        sql.push("SELECT s.number, CAST(").bind(Bind::Int(turn.id));
        sql.push(" AS BIGINT) AS key, s.latitude, s.longitude, CAST(NULL AS TEXT) AS text FROM ");
        from_index(&mut sql, now, &turn.wanted, Order::Newest, (0, turn.after));
        sql.limit(limit).push(")");
    }
    sql.limit(limit).run(conn).await
}

/// Returns the table of services, to be read through an index of positions.
fn by_place(wanted: &Wanted, sqlite: bool) -> &'static str {
    match (sqlite, wanted.tiles) {
        (true, Some(_)) => "services s INDEXED BY services_tile",
        (true, None) => "services s INDEXED BY services_place",
        (false, _) => "services s",
    }
}

/// Returns what meets the conditions besides words, through an index of positions, in no order; with the text if there are
/// conditions on words. There must be an area, or tiles.
pub(super) async fn nearby(conn: &mut Conn<'_>, now: Timestamp, wanted: &Wanted, order: Order) -> Result<Vec<Hit>> {
    let sqlite = is_sqlite(conn);
    let mut sql = Sql::default();
    columns(&mut sql, order, wanted.has_words());
    sql.push(by_place(wanted, sqlite));
    joins(&mut sql, wanted, now, sqlite);
    sql.push(visible(sqlite));
    other_tests(&mut sql, wanted, now, sqlite);
    sql.run(conn).await
}

/// Counts the services in each of some areas or ranges of tiles, without other conditions, each up to a limit.
pub(super) async fn crowds(conn: &mut Conn<'_>, places: &[Wanted], limit: i64) -> Result<Vec<i64>> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let sqlite = is_sqlite(conn);
    let mut sql = Sql::default();
    for (at, place) in places.iter().enumerate() {
        sql.push(if at == 0 { "SELECT CAST(" } else { " UNION ALL SELECT CAST(" });
        sql.bind(Bind::Int(i64::try_from(at).unwrap_or(i64::MAX)));
        sql.push(" AS BIGINT), CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM ");
        sql.push(by_place(place, sqlite)).push(visible(sqlite));
        let place = Wanted { area: place.area, tiles: place.tiles, ..Wanted::default() };
        place_tests(&mut sql, &place);
        sql.limit(limit).push(") AS capped");
    }
    let mut counts = sql.run::<(i64, i64)>(conn).await?;
    counts.sort_unstable();
    Ok(counts.into_iter().map(|(_, count)| count).collect())
}

/// Counts the services in the area or the tiles, without other conditions, up to a limit.
pub(super) async fn crowd(conn: &mut Conn<'_>, wanted: &Wanted, limit: i64) -> Result<i64> {
    Ok(crowds(conn, std::slice::from_ref(wanted), limit).await?.first().copied().unwrap_or(0))
}

/// What a known word tells about the words of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// It begins with the beginning of this number.
    Begins(usize),
    /// It shares a part, with letters left out, with one of the words.
    Near,
    /// It is one of the other words for them.
    Synonym,
}

/// Returns known words in one statement, in order: for each of the `beginnings`, at most `most` that begin so; those near to one
/// of the `words`; and those of the `synonyms` that are known.
pub(super) async fn related(
    conn: &mut Conn<'_>,
    beginnings: &[Option<&str>],
    most: i64,
    words: &[&str],
    synonyms: &BTreeSet<&str>,
) -> Result<Vec<(Relation, String)>> {
    let sqlite = is_sqlite(conn);
    let mut sql = Sql::default();
    let mut kinds = Vec::new();
    let mut select = |sql: &mut Sql, relation: Relation| {
        sql.push(if kinds.is_empty() { "SELECT CAST(" } else { " UNION ALL SELECT CAST(" });
        sql.bind(Bind::Int(i64::try_from(kinds.len()).unwrap_or(i64::MAX))).push(" AS BIGINT), word FROM (");
        kinds.push(relation);
    };
    for (at, beginning) in beginnings.iter().enumerate() {
        let Some(beginning) = beginning else { continue };
        select(&mut sql, Relation::Begins(at));
        sql.push("SELECT word FROM search_words WHERE word >= ").bind(Bind::Text((*beginning).to_owned()));
        sql.push(" AND word < ").bind(Bind::Text(format!("{beginning}\u{10FFFF}")));
        sql.push(" ORDER BY word").limit(most).push(") AS begun");
    }
    let parts: Vec<String> = words.iter().flat_map(|word| query_parts(word)).collect();
    if !parts.is_empty() {
        select(&mut sql, Relation::Near);
        sql.push("SELECT DISTINCT p.word FROM ")
            .listed(&parts, sqlite)?
            .push(" JOIN search_parts p ON p.part = k.value");
        sql.push(if sqlite { ") AS near" } else { " COLLATE \"C\") AS near" });
    }
    if !synonyms.is_empty() {
        select(&mut sql, Relation::Synonym);
        sql.push("SELECT w.word FROM ").listed(synonyms, sqlite)?;
        sql.push(if sqlite { " CROSS JOIN" } else { " JOIN" }).push(" search_words w ON w.word = k.value");
        sql.push(if sqlite { ") AS other" } else { " COLLATE \"C\") AS other" });
    }
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = sql.run::<(i64, String)>(conn).await?;
    rows.sort_unstable();
    let relation = |kind: i64| usize::try_from(kind).ok().and_then(|kind| kinds.get(kind).copied());
    Ok(rows.into_iter().filter_map(|(kind, word)| Some((relation(kind)?, word))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, prefix: bool) -> Token {
        Token { text: text.into(), prefix }
    }

    #[test]
    fn words_are_told_to_each_engine() {
        let wanted = Wanted {
            has: vec![vec![token("piano", true), token("paino", false)], vec![token("@music", false)]],
            lacks: vec![vec![vec![token("+piano", true)]], vec![vec![token("a", false)], vec![token("b", false)]]],
            ..Wanted::default()
        };
        assert_eq!(
            fts_expression(&wanted),
            r#"(("piano"* OR "paino") AND ("@music")) NOT ((("+piano"*)) OR (("a") AND ("b")))"#
        );
        assert_eq!(
            ts_expression(&wanted),
            "(('piano':* | 'paino') & ('@music')) & !((('+piano':*)) | (('a') & ('b')))"
        );
        assert!(wanted.fits("=b @music pianola"));
        assert!(!wanted.fits("+pianola @music pianola"));
        assert!(!wanted.fits("@music a b pianola"));
        assert!(!wanted.fits("@music pian"));
    }
}
