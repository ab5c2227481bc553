//! Which services match, told to either engine: as an expression of its full-text index, or as tests of the indexed text.
//! Both say exactly the same, because the index holds exactly the words of that text.

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

/// A word that a service may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// With its mark.
    pub text: String,
    /// Whether words that begin so will do.
    pub prefix: bool,
}

/// All of these, of each at least one.
pub(super) type Clauses = Vec<Vec<Token>>;

/// What a service must be like.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Words that it has.
    pub has: Clauses,
    /// Words that it does not all have.
    pub lacks: Option<Clauses>,
    /// Its worker takes new work.
    pub available: bool,
    /// Thousandths of a star at least.
    pub min_rating: Option<i64>,
    /// Minor units of that currency, at least and at most.
    pub price: Option<(String, i64, i64)>,
    /// It has a place.
    pub placed: bool,
    /// It lies in there.
    pub area: Option<Area>,
    /// Its tile is one of these, first and last.
    pub tiles: Option<(i64, i64)>,
}

/// A service that matches.
#[derive(Debug, Clone, Copy, PartialEq, sqlx_macros::FromRow)]
pub(super) struct Hit {
    pub number: i64,
    pub rating: i64,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Newest publication first.
    Newest,
    /// Best average first, then newest.
    Rating,
}

/// After which position, and up to which (itself included).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub after: (i64, i64),
    pub until: (i64, i64),
}

impl Span {
    /// Behind a position (rating and number), all of it.
    pub fn after(after: (i64, i64)) -> Self {
        Self { after, until: (i64::MIN, i64::MIN) }
    }
}

enum Bind {
    Int(i64),
    Float(f64),
    Text(String),
    Time(Timestamp),
}

/// A statement that is put together: its text, and its values in order.
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
        // Writing to a text cannot fail.
        let _ = write!(self.text, "${}", self.binds.len());
        self
    }

    fn limit(&mut self, rows: i64) -> &mut Self {
        self.push(" LIMIT (").bind(Bind::Int(rows)).push(" + 0)")
    }

    async fn run(self, conn: &mut Conn<'_>) -> Result<Vec<Hit>> {
        macro_rules! run {
            ($conn:expr, $persistent:expr) => {{
                let mut query = sqlx::query_as::<_, Hit>(AssertSqlSafe(self.text)).persistent($persistent);
                for value in self.binds {
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
            Conn::Sqlite(conn) => run!(&mut **conn, true),
            // Planned for these very values: what is good for a rare word is bad for a common one.
            Conn::Pg(conn) => run!(&mut **conn, false),
        };
        Ok(rows.map_err(DbError::from)?)
    }
}

fn is_sqlite(conn: &Conn<'_>) -> bool {
    matches!(conn, Conn::Sqlite(_))
}

/// Words as SQLite's full-text index is asked for them.
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

/// Words as PostgreSQL's full-text index is asked for them.
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

/// Words as tests of the indexed text.
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

/// All that is no word.
fn other_tests(sql: &mut Sql, wanted: &Wanted, now: Timestamp) {
    place_tests(sql, wanted);
    if let Some(rating) = wanted.min_rating {
        sql.push(" AND s.rating >= ").bind(Bind::Int(rating));
    }
    if let Some((currency, from, to)) = &wanted.price {
        sql.push(" AND s.price_currency = ").bind(Bind::Text(currency.clone()));
        sql.push(" AND s.price_amount BETWEEN ").bind(Bind::Int(*from)).push(" AND ").bind(Bind::Int(*to));
    }
    // The truth about the worker: the mark on the service may be older.
    sql.push(" AND s.status = 'published' AND ");
    for (at, piece) in worker_is_public!("\u{1}").split('\u{1}').enumerate() {
        if at > 0 {
            sql.bind(Bind::Time(now));
        }
        sql.push(piece);
    }
    if wanted.available {
        sql.push(" AND coalesce(w.available, TRUE) AND (w.away_until IS NULL OR w.away_until <= ");
        sql.bind(Bind::Time(now)).push(")");
    }
}

fn joins(sql: &mut Sql, wanted: &Wanted, sqlite: bool) {
    // On SQLite that is also the order in which tables are read.
    sql.push(if sqlite { " CROSS JOIN users u ON u.id = s.worker_id" } else { " JOIN users u ON u.id = s.worker_id" });
    if wanted.available {
        sql.push(" LEFT JOIN worker_profiles w ON w.user_id = s.worker_id");
    }
}

fn in_span(sql: &mut Sql, order: Order, span: Span) {
    match order {
        Order::Newest => {
            sql.push(" AND s.number < ").bind(Bind::Int(span.after.1));
            sql.push(" AND s.number >= ").bind(Bind::Int(span.until.1));
        }
        Order::Rating => {
            sql.push(" AND (s.rating, s.number) < (").bind(Bind::Int(span.after.0)).push(", ");
            sql.bind(Bind::Int(span.after.1)).push(") AND (s.rating, s.number) >= (");
            sql.bind(Bind::Int(span.until.0)).push(", ").bind(Bind::Int(span.until.1)).push(")");
        }
    }
}

fn in_order(sql: &mut Sql, order: Order, limit: i64) {
    sql.push(match order {
        Order::Newest => " ORDER BY s.number DESC",
        Order::Rating => " ORDER BY s.rating DESC, s.number DESC",
    });
    sql.limit(limit);
}

const COLUMNS: &str = "SELECT s.number, s.rating, s.latitude, s.longitude FROM ";

fn visible(sqlite: bool) -> &'static str {
    if sqlite { " WHERE s.visible = 1" } else { " WHERE s.visible" }
}

/// Along the order's own index, testing each row: fast when much matches, whatever the words are.
pub(super) async fn walk(
    conn: &mut Conn<'_>,
    now: Timestamp,
    wanted: &Wanted,
    order: Order,
    span: Span,
    limit: i64,
) -> Result<Vec<Hit>> {
    let sqlite = is_sqlite(conn);
    let mut sql = Sql::default();
    sql.push(COLUMNS).push("services s");
    joins(&mut sql, wanted, sqlite);
    sql.push(visible(sqlite));
    in_span(&mut sql, order, span);
    text_tests(&mut sql, wanted, sqlite);
    other_tests(&mut sql, wanted, now);
    in_order(&mut sql, order, limit);
    sql.run(conn).await
}

/// Through the full-text index: fast when little matches. There must be words.
pub(super) async fn look_up(
    conn: &mut Conn<'_>,
    now: Timestamp,
    wanted: &Wanted,
    order: Order,
    span: Span,
    limit: i64,
) -> Result<Vec<Hit>> {
    let mut sql = Sql::default();
    if is_sqlite(conn) {
        sql.push(COLUMNS).push("services_fts CROSS JOIN services s ON s.number = services_fts.rowid");
        joins(&mut sql, wanted, true);
        sql.push(" WHERE services_fts MATCH ").bind(Bind::Text(fts_expression(wanted)));
        if order == Order::Newest {
            // Told to the index, which goes on from there by itself.
            sql.push(" AND services_fts.rowid < ").bind(Bind::Int(span.after.1));
            other_tests(&mut sql, wanted, now);
            sql.push(" ORDER BY services_fts.rowid DESC").limit(limit);
        } else {
            in_span(&mut sql, order, span);
            other_tests(&mut sql, wanted, now);
            in_order(&mut sql, order, limit);
        }
        return sql.run(conn).await;
    }
    // First all that has the words, from the index alone: whatever else is asked could tempt the planner elsewhere.
    sql.push("WITH s AS MATERIALIZED (SELECT number, rating, latitude, longitude, price_currency, price_amount, status, worker_id \
              FROM services WHERE visible AND array_to_tsvector(string_to_array(search_text, ' ')) @@ ");
    sql.bind(Bind::Text(ts_expression(wanted))).push("::tsquery) ").push(COLUMNS).push("s");
    joins(&mut sql, wanted, false);
    sql.push(" WHERE TRUE");
    in_span(&mut sql, order, span);
    other_tests(&mut sql, wanted, now);
    in_order(&mut sql, order, limit);
    let Conn::Pg(conn) = conn else { return Err(Error::internal("a connection changed its engine")) };
    conn.begin().await.map_err(DbError::from)?;
    sqlx::query("SELECT set_config('enable_seqscan', 'off', TRUE), set_config('jit', 'off', TRUE)")
        .execute(&mut **conn)
        .await
        .map_err(DbError::from)?;
    let hits = sql.run(&mut Conn::Pg(conn)).await?;
    conn.commit().await.map_err(DbError::from)?;
    Ok(hits)
}

/// The services, to be read through an index of where they are.
fn by_place(wanted: &Wanted, sqlite: bool) -> &'static str {
    match (sqlite, wanted.tiles) {
        (true, Some(_)) => "services s INDEXED BY services_tile",
        (true, None) => "services s INDEXED BY services_place",
        (false, _) => "services s",
    }
}

/// Through an index of places, in no order. There must be an area, or tiles.
pub(super) async fn nearby(conn: &mut Conn<'_>, now: Timestamp, wanted: &Wanted) -> Result<Vec<Hit>> {
    let sqlite = is_sqlite(conn);
    let mut sql = Sql::default();
    sql.push(COLUMNS).push(by_place(wanted, sqlite));
    joins(&mut sql, wanted, sqlite);
    sql.push(visible(sqlite));
    text_tests(&mut sql, wanted, sqlite);
    other_tests(&mut sql, wanted, now);
    sql.run(conn).await
}

/// How many services lie in the area, or in the tiles, whatever they are; counted up to a limit.
pub(super) async fn crowd(conn: &mut Conn<'_>, wanted: &Wanted, limit: i64) -> Result<i64> {
    let sqlite = is_sqlite(conn);
    let mut sql = Sql::default();
    // As a hit, of which only the number counts.
    sql.push("SELECT CAST(count(*) AS BIGINT) AS number, CAST(0 AS BIGINT) AS rating, \
              CAST(NULL AS DOUBLE PRECISION) AS latitude, CAST(NULL AS DOUBLE PRECISION) AS longitude FROM (SELECT 1 FROM ");
    sql.push(by_place(wanted, sqlite)).push(visible(sqlite));
    let place = Wanted { area: wanted.area, tiles: wanted.tiles, ..Wanted::default() };
    place_tests(&mut sql, &place);
    sql.limit(limit).push(") AS capped");
    Ok(sql.run(conn).await?.first().map_or(0, |counted| counted.number))
}

/// The position that lies so many rows behind another by rating; none when there are not so many.
pub(super) async fn farther(conn: &mut Conn<'_>, after: (i64, i64), rows: i64) -> Result<Option<(i64, i64)>> {
    Ok(q!(conn => opt (i64, i64), [
        sqlite: "SELECT rating, number FROM services WHERE visible = 1 AND (rating, number) < ($1, $2) \
                 ORDER BY rating DESC, number DESC LIMIT 1 OFFSET ($3 + 0)",
        pg: "SELECT rating, number FROM services WHERE visible AND (rating, number) < ($1, $2) \
             ORDER BY rating DESC, number DESC LIMIT 1 OFFSET ($3 + 0)",
    ], after.0, after.1, rows)?)
}

/// The newest number, 0 without services.
pub(super) async fn newest(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(q!(conn => optval i64, [
        sqlite: "SELECT number FROM services WHERE visible = 1 ORDER BY number DESC LIMIT 1",
        pg: "SELECT number FROM services WHERE visible ORDER BY number DESC LIMIT 1",
    ])?
    .unwrap_or(0))
}

/// Known words of which something is left that is also left of one of these.
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
