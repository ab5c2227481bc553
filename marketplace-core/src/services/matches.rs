//! The condition that a service must meet, written for both engines: as an expression of the full-text index, or as
//! tests of the indexed text. Both select exactly the same services, because the index holds exactly the words of that
//! text.

use std::fmt::Write;

use sqlx::AssertSqlSafe;

use super::{place::Area, words::query_parts};
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

/// Lengths in characters of the prefixes that SQLite's full-text index lists (`prefix` in the migrations). For any
/// other prefix it merges the lists of all words that begin with it, which takes long when many services contain
/// those.
const LISTED: std::ops::RangeInclusive<usize> = 2..=5;

impl Token {
    fn is_listed(&self) -> bool {
        !self.prefix || LISTED.contains(&self.text.chars().count())
    }

    /// Returns a token that has a list and that matches every service which this one matches; `None` when only a token
    /// that matches everything would do.
    fn covered(&self) -> Option<Self> {
        if self.is_listed() {
            return Some(self.clone());
        }
        let text: String = self.text.chars().take(*LISTED.end()).collect();
        (text.chars().count() >= *LISTED.start()).then_some(Self { text, prefix: true })
    }
}

/// A conjunction of disjunctions: a service must contain at least one token of each inner list.
pub(super) type Clauses = Vec<Vec<Token>>;

/// Conditions that a service must meet.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Words that it contains.
    pub has: Clauses,
    /// Words that it does not contain all of.
    pub lacks: Option<Clauses>,
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

fn are_listed(clauses: &Clauses) -> bool {
    clauses.iter().flatten().all(Token::is_listed)
}

impl Wanted {
    /// Returns the words of which SQLite's full-text index has lists, which every match contains, and the conditions
    /// that remain to be tested.
    fn covered(&self) -> (Self, Self) {
        let cover = |clause: &Vec<Token>| clause.iter().map(Token::covered).collect::<Option<Vec<_>>>();
        let mut listed = Self { has: self.has.iter().filter_map(cover).collect(), ..Self::default() };
        let unlisted = |clause: &&Vec<Token>| !clause.iter().all(Token::is_listed);
        let mut rest = Self { has: self.has.iter().filter(unlisted).cloned().collect(), ..Self::default() };
        match &self.lacks {
            Some(lacks) if are_listed(lacks) && !listed.has.is_empty() => listed.lacks = Some(lacks.clone()),
            lacks => rest.lacks.clone_from(lacks),
        }
        (listed, rest)
    }

    /// Returns whether SQLite's full-text index finds the first matches at once, however many there are.
    pub fn is_listed(&self) -> bool {
        are_listed(&self.has) && self.lacks.as_ref().is_none_or(are_listed)
    }
}

/// A service that matches.
#[derive(Debug, Clone, Copy, PartialEq, sqlx_macros::FromRow)]
pub(super) struct Hit {
    pub number: i64,
    pub rating: i64,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
}

/// Order of matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Newest publication first.
    Newest,
    /// Best average rating first, then newest.
    Rating,
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

    async fn run(&mut self, conn: &mut Conn<'_>) -> Result<Vec<Hit>> {
        macro_rules! run {
            ($conn:expr) => {{
                let mut query = sqlx::query_as::<_, Hit>(AssertSqlSafe(std::mem::take(&mut self.text)));
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

/// Returns the words as an expression for SQLite's full-text index.
fn fts_expression(wanted: &Wanted) -> String {
    let token = |token: &Token| format!("\"{}\"{}", token.text, if token.prefix { "*" } else { "" });
    let all = |clauses: &Clauses| {
        let any = |clause: &Vec<Token>| format!("({})", clause.iter().map(token).collect::<Vec<_>>().join(" OR "));
        clauses.iter().map(any).collect::<Vec<_>>().join(" AND ")
    };
    match &wanted.lacks {
        Some(lacks) => format!("({}) NOT ({})", all(&wanted.has), all(lacks)),
        None => all(&wanted.has),
    }
}

/// Returns the words as an expression for PostgreSQL's full-text index.
fn ts_expression(wanted: &Wanted) -> String {
    let token = |token: &Token| format!("'{}'{}", token.text, if token.prefix { ":*" } else { "" });
    let all = |clauses: &Clauses| {
        let any = |clause: &Vec<Token>| format!("({})", clause.iter().map(token).collect::<Vec<_>>().join(" | "));
        clauses.iter().map(any).collect::<Vec<_>>().join(" & ")
    };
    match &wanted.lacks {
        Some(lacks) => format!("({}) & !({})", all(&wanted.has), all(lacks)),
        None => all(&wanted.has),
    }
}

/// Appends the words as tests of the indexed text.
fn text_tests(sql: &mut Sql, wanted: &Wanted, sqlite: bool) {
    let all = |sql: &mut Sql, clauses: &Clauses| {
        for (at, clause) in clauses.iter().enumerate() {
            sql.push(if at == 0 { "(" } else { " AND (" });
            for (at, token) in clause.iter().enumerate() {
                sql.push(if at == 0 { "" } else { " OR " });
                sql.push(if sqlite { "instr" } else { "strpos" });
                sql.push("(' ' || s.search_text || ' ', ");
                let end = if token.prefix { "" } else { " " };
                sql.bind(Bind::Text(format!(" {}{end}", token.text))).push(") > 0");
            }
            sql.push(")");
        }
    };
    if !wanted.has.is_empty() {
        sql.push(" AND ");
        all(sql, &wanted.has);
    }
    if let Some(lacks) = &wanted.lacks {
        sql.push(" AND NOT (");
        all(sql, lacks);
        sql.push(")");
    }
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
    sql.push(" AND s.status = 'published'");
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
        Order::Rating => {
            sql.push(" AND (s.rating, s.number) < (").bind(Bind::Int(after.0)).push(", ");
            sql.bind(Bind::Int(after.1)).push(")")
        }
    };
}

fn in_order(sql: &mut Sql, order: Order) {
    sql.push(match order {
        Order::Newest => " ORDER BY s.number DESC",
        Order::Rating => " ORDER BY s.rating DESC, s.number DESC",
    });
}

const COLUMNS: &str = "SELECT s.number, s.rating, s.latitude, s.longitude FROM ";

fn visible(sqlite: bool) -> &'static str {
    if sqlite { " WHERE s.visible = 1" } else { " WHERE s.visible" }
}

/// Walks along the index of the order and tests each row: fast when much matches, whatever the words are. With `rows`,
/// tests only that many rows.
pub(super) async fn walk(
    conn: &mut Conn<'_>,
    now: Timestamp,
    wanted: &Wanted,
    order: Order,
    after: (i64, i64),
    rows: Option<i64>,
    limit: i64,
) -> Result<Vec<Hit>> {
    let sqlite = is_sqlite(conn);
    let mut sql = Sql::default();
    sql.push(COLUMNS);
    if let Some(rows) = rows {
        sql.push("(SELECT number, rating, latitude, longitude, search_text, status, worker_id, price_currency, price_amount, tile FROM services s");
        sql.push(visible(sqlite));
        behind(&mut sql, order, after);
        in_order(&mut sql, order);
        sql.limit(rows).push(") s");
    } else {
        sql.push("services s");
    }
    joins(&mut sql, wanted, now, sqlite);
    if rows.is_some() {
        sql.push(" WHERE TRUE");
    } else {
        sql.push(visible(sqlite));
        behind(&mut sql, order, after);
    }
    text_tests(&mut sql, wanted, sqlite);
    other_tests(&mut sql, wanted, now, sqlite);
    // SQLite reads the subquery in the subquery's order; if the order were stated again, it would sort all rows first.
    if rows.is_none() || !sqlite {
        in_order(&mut sql, order);
    }
    sql.limit(limit).run(conn).await
}

/// Returns the matches among a number of the newest services that contain the words of which SQLite's full-text index
/// has lists. There must be words. Only for SQLite: PostgreSQL's index has no order.
pub(super) async fn sift(
    conn: &mut Conn<'_>,
    now: Timestamp,
    wanted: &Wanted,
    after: i64,
    rows: i64,
    limit: i64,
) -> Result<Vec<Hit>> {
    let (listed, rest) = wanted.covered();
    if listed.has.is_empty() {
        return walk(conn, now, wanted, Order::Newest, (i64::MAX, after), Some(rows), limit).await;
    }
    let mut sql = Sql::default();
    sql.push("WITH c (number) AS MATERIALIZED (SELECT rowid FROM services_fts WHERE services_fts MATCH ");
    sql.bind(Bind::Text(fts_expression(&listed))).push(" AND rowid < ").bind(Bind::Int(after));
    sql.push(" ORDER BY rowid DESC").limit(rows).push(") ");
    sql.push(COLUMNS).push("c CROSS JOIN services s ON s.number = c.number");
    joins(&mut sql, wanted, now, true);
    sql.push(visible(true));
    text_tests(&mut sql, &rest, true);
    other_tests(&mut sql, wanted, now, true);
    // The result is in the order of `c`, because the tables are read in the order in which they are listed.
    sql.limit(limit).run(conn).await
}

/// Finds matches through the full-text index: fast when little matches. There must be words.
pub(super) async fn look_up(
    conn: &mut Conn<'_>,
    now: Timestamp,
    wanted: &Wanted,
    order: Order,
    after: (i64, i64),
    limit: i64,
) -> Result<Vec<Hit>> {
    let sqlite = is_sqlite(conn);
    let mut sql = Sql::default();
    if sqlite && order == Order::Newest {
        sql.push(COLUMNS).push("services_fts CROSS JOIN services s ON s.number = services_fts.rowid");
        joins(&mut sql, wanted, now, true);
        sql.push(" WHERE services_fts MATCH ").bind(Bind::Text(fts_expression(wanted)));
        // The index accepts this condition and continues from there by itself.
        sql.push(" AND services_fts.rowid < ").bind(Bind::Int(after.1));
        other_tests(&mut sql, wanted, now, true);
        sql.push(" ORDER BY services_fts.rowid DESC");
        return sql.limit(limit).run(conn).await;
    }
    if sqlite {
        sql.push(COLUMNS).push("services_fts CROSS JOIN services s ON s.number = services_fts.rowid");
        joins(&mut sql, wanted, now, true);
        sql.push(" WHERE services_fts MATCH ").bind(Bind::Text(fts_expression(wanted)));
    } else {
        // First everything that contains the words is read, from the index alone: other conditions could lead the
        // planner to another index, and so could the words themselves, which a subquery prevents.
        sql.push("WITH s AS MATERIALIZED (SELECT number, rating, latitude, longitude, price_currency, price_amount, status, worker_id \
                  FROM services WHERE visible AND array_to_tsvector(string_to_array(search_text, ' ')) @@ (SELECT ");
        sql.bind(Bind::Text(ts_expression(wanted))).push("::tsquery)) ").push(COLUMNS).push("s");
        joins(&mut sql, wanted, now, false);
        sql.push(" WHERE TRUE");
    }
    behind(&mut sql, order, after);
    other_tests(&mut sql, wanted, now, sqlite);
    in_order(&mut sql, order);
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

/// Finds matches through an index of positions, in no order. There must be an area, or tiles.
pub(super) async fn nearby(conn: &mut Conn<'_>, now: Timestamp, wanted: &Wanted) -> Result<Vec<Hit>> {
    let sqlite = is_sqlite(conn);
    let mut sql = Sql::default();
    sql.push(COLUMNS).push(by_place(wanted, sqlite));
    joins(&mut sql, wanted, now, sqlite);
    sql.push(visible(sqlite));
    text_tests(&mut sql, wanted, sqlite);
    other_tests(&mut sql, wanted, now, sqlite);
    sql.run(conn).await
}

/// Counts the services in the area or the tiles, without other conditions, up to a limit.
pub(super) async fn crowd(conn: &mut Conn<'_>, wanted: &Wanted, limit: i64) -> Result<i64> {
    let sqlite = is_sqlite(conn);
    let mut sql = Sql::default();
    // Read as a [`Hit`] of which only the number is used.
    sql.push("SELECT CAST(count(*) AS BIGINT) AS number, CAST(0 AS BIGINT) AS rating, \
              CAST(NULL AS DOUBLE PRECISION) AS latitude, CAST(NULL AS DOUBLE PRECISION) AS longitude FROM (SELECT 1 FROM ");
    sql.push(by_place(wanted, sqlite)).push(visible(sqlite));
    let place = Wanted { area: wanted.area, tiles: wanted.tiles, ..Wanted::default() };
    place_tests(&mut sql, &place);
    sql.limit(limit).push(") AS capped");
    Ok(sql.run(conn).await?.first().map_or(0, |counted| counted.number))
}

/// Returns known words that share a part, with letters left out, with one of these words.
pub(super) async fn neighbours(conn: &mut Conn<'_>, words: &[String]) -> Result<Vec<String>> {
    let parts: Vec<String> = words.iter().flat_map(|word| query_parts(word)).collect();
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let parts = serde_json::to_string(&parts).map_err(Error::internal)?;
    Ok(q!(conn => vals String, [
        sqlite: "SELECT DISTINCT p.word FROM json_each($1) AS k JOIN search_parts p ON p.part = k.value",
        pg: "SELECT DISTINCT p.word FROM json_array_elements_text($1::json) AS k (value) \
             JOIN search_parts p ON p.part = k.value COLLATE \"C\"",
    ], parts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_to_each_engine() {
        let token = |text: &str, prefix| Token { text: text.into(), prefix };
        let wanted = Wanted {
            has: vec![vec![token("piano", true), token("paino", false)], vec![token("@music", false)]],
            lacks: Some(vec![vec![token("+piano", true)]]),
            ..Wanted::default()
        };
        assert_eq!(fts_expression(&wanted), r#"(("piano"* OR "paino") AND ("@music")) NOT (("+piano"*))"#);
        assert_eq!(ts_expression(&wanted), "(('piano':* | 'paino') & ('@music')) & !(('+piano':*))");
    }
}
