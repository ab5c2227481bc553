//! The macros `q!` and `on!`: one SQL text, or one body, for both engines.

/// A SQL text: its location in the source, the text for SQLite, the text for PostgreSQL.
#[cfg(any(test, feature = "testing"))]
pub type SqlText = (&'static str, &'static str, &'static str);

/// Every SQL text of the crate, collected at link time; `every_sql_prepares` prepares each on both engines.
#[cfg(any(test, feature = "testing"))]
#[linkme::distributed_slice]
pub static ALL_SQL: [SqlText];

/// Returns the highest `$n` in a SQL text, at compile time.
#[expect(
    clippy::indexing_slicing,
    reason = "a const fn has no iterators; each index is compared with the length first"
)]
pub const fn max_placeholder(sql: &str) -> usize {
    let bytes = sql.as_bytes();
    let (mut at, mut max) = (0, 0);
    while at < bytes.len() {
        if bytes[at] == b'$' {
            let mut number = 0_usize;
            while at + 1 < bytes.len() && bytes[at + 1].is_ascii_digit() {
                number = number * 10 + (bytes[at + 1] - b'0') as usize;
                at += 1;
            }
            if number > max {
                max = number;
            }
        }
        at += 1;
    }
    max
}

/// Runs one SQL text on either engine: `q!(conn => opt Account, "SELECT … WHERE id = $1", id)?`.
///
/// Kinds: `one`, `opt`, `all` (rows), `val`, `optval`, `vals` (scalars), `exec` (count of rows), `json` (one row with one
/// column of JSON, read by serde; NULL is the type's default: see [`json`](crate::platform::db::json)). Where the dialects
/// really differ: `q!(conn => all Hit, [sqlite: "…", pg: "…"], a, b)`. Placeholders and binds are counted at compile time.
///
/// `q!(conn => page Account, account_columns, "FROM users u WHERE …", a, b)` reads rows like `all`, on SQLite as one row of
/// JSON; the macro that it names expands to [`column_list!`](crate::column_list).
#[macro_export]
macro_rules! q {
    (@run exec [] $e:ident $x:expr, $s:expr, $b:expr) => { $crate::platform::db::run::$e::exec($x, $s, $b).await };
    (@run one [$t:ty] $e:ident $x:expr, $s:expr, $b:expr) => {
        $crate::platform::db::run::$e::one($x, $s, $b).await.and_then(|row| $crate::platform::db::run::row::<_, $t>(&row))
    };
    (@run opt [$t:ty] $e:ident $x:expr, $s:expr, $b:expr) => {
        $crate::platform::db::run::$e::opt($x, $s, $b).await.and_then(|row| $crate::platform::db::run::maybe_row::<_, $t>(row.as_ref()))
    };
    (@run all [$t:ty] $e:ident $x:expr, $s:expr, $b:expr) => {
        $crate::platform::db::run::$e::all($x, $s, $b).await.and_then(|rows| $crate::platform::db::run::rows::<_, $t>(&rows))
    };
    (@run val [$t:ty] $e:ident $x:expr, $s:expr, $b:expr) => {
        $crate::platform::db::run::$e::one($x, $s, $b).await.and_then(|row| $crate::platform::db::run::value::<_, $t>(&row))
    };
    (@run optval [$t:ty] $e:ident $x:expr, $s:expr, $b:expr) => {
        $crate::platform::db::run::$e::opt($x, $s, $b).await.and_then(|row| $crate::platform::db::run::maybe_value::<_, $t>(row.as_ref()))
    };
    (@run vals [$t:ty] $e:ident $x:expr, $s:expr, $b:expr) => {
        $crate::platform::db::run::$e::all($x, $s, $b).await.and_then(|rows| $crate::platform::db::run::values::<_, $t>(&rows))
    };
    (@run json [$t:ty] $e:ident $x:expr, $s:expr, $b:expr) => {
        $crate::platform::db::run::$e::one($x, $s, $b).await
            .and_then(|row| $crate::platform::db::run::value::<_, Option<::sqlx::types::Json<$t>>>(&row))
            .map(|found| found.map(|json| json.0).unwrap_or_default())
    };
    (@unit $a:expr) => { () };
    (@both $c:expr, $m:ident [$($t:ty)?], $n:ident [$($u:ty)?], $s:expr, $p:expr, $($a:expr),*) => {{
        const _: () = {
            let binds = <[()]>::len(&[$($crate::q!(@unit $a)),*]);
            assert!($crate::platform::db::max_placeholder($s) == binds, "SQLite text: placeholders and binds differ");
            assert!($crate::platform::db::max_placeholder($p) == binds, "PostgreSQL text: placeholders and binds differ");
        };
        #[cfg(any(test, feature = "testing"))]
        const _: () = {
            #[linkme::distributed_slice($crate::platform::db::ALL_SQL)]
            #[expect(unsafe_code, reason = "a linker section, in test builds only")]
            static SQL: $crate::platform::db::SqlText = (concat!(file!(), ":", line!()), $s, $p);
        };
        match $c {
            $crate::platform::db::Conn::Sqlite(x) => {
                let bound = $crate::platform::db::run::sqlite::none();
                $(let bound = $crate::platform::db::run::bind(bound, $a);)*
                $crate::q!(@run $m [$($t)?] sqlite &mut **x, $s, bound)
            }
            $crate::platform::db::Conn::Pg(x) => {
                let bound = $crate::platform::db::run::pg::none();
                $(let bound = $crate::platform::db::run::bind(bound, $a);)*
                $crate::q!(@run $n [$($u)?] pg &mut **x, $p, bound)
            }
        }.map_err($crate::platform::db::DbError::from)
    }};
    ($c:expr => page $t:ty, $columns:ident, $rest:expr $(, $a:expr)* $(,)?) => {
        $crate::q!(@both $c, json [Vec<$t>], all [$t],
            concat!("SELECT '[' || group_concat(j) || ']' FROM (SELECT ", $columns!(sqlite), " AS j ", $rest, ") AS page"),
            concat!("SELECT ", $columns!(rows), " ", $rest), $($a),*)
    };
    ($c:expr => $m:ident $($t:ty)?, [sqlite: $s:expr, pg: $p:expr $(,)?] $(, $a:expr)* $(,)?) => {
        $crate::q!(@both $c, $m [$($t)?], $m [$($t)?], $s, $p, $($a),*)
    };
    ($c:expr => $m:ident $($t:ty)?, $sql:expr $(, $a:expr)* $(,)?) => {
        $crate::q!(@both $c, $m [$($t)?], $m [$($t)?], $sql, $sql, $($a),*)
    };
}

/// Expands to the columns of a row type in the order of its fields, from one list: `column_list!($form: id "u.id", text
/// "u.name", time "u.created_at", text "c.name" => "client_name")`. The forms are `rows` (for a SELECT), and `sqlite` and `pg`,
/// a JSON array of the row on that engine. Only `id`, `opt_id` and `time` are written differently; every other kind is
/// documentation.
#[macro_export]
macro_rules! column_list {
    (@rows $kind:ident $column:expr) => { $column };
    (@rows $kind:ident $column:expr, $name:literal) => { concat!($column, " AS ", $name) };
    (@sqlite id $column:expr $(, $name:literal)?) => { concat!("lower(hex(", $column, "))") };
    (@sqlite opt_id $column:expr $(, $name:literal)?) => { concat!("nullif(lower(hex(", $column, ")), '')") };
    (@pg time $column:expr $(, $name:literal)?) => { concat!("(extract(epoch FROM ", $column, ") * 1000000)::bigint") };
    (@$form:ident $kind:ident $column:expr $(, $name:literal)?) => { $column };
    (@list $form:ident $first:ident $column:expr $(=> $name:literal)? $(, $kind:ident $other:expr $(=> $alias:literal)?)*) => {
        concat!($crate::column_list!(@$form $first $column $(, $name)?) $(, ", ", $crate::column_list!(@$form $kind $other $(, $alias)?))*)
    };
    (rows: $($list:tt)+) => { $crate::column_list!(@list rows $($list)+) };
    (sqlite: $($list:tt)+) => { concat!("json_array(", $crate::column_list!(@list sqlite $($list)+), ")") };
    (pg: $($list:tt)+) => { concat!("json_build_array(", $crate::column_list!(@list pg $($list)+), ")") };
}

/// Expands a body once per engine, for texts that are built at run time. Inside, the first name is the connection and the
/// second the engine's `sqlx::Database`: `on!(conn, |x, DB| QueryBuilder::<DB>::new("…")…)`.
#[macro_export]
macro_rules! on {
    ($c:expr, |$x:ident, $db:ident| $body:expr) => {
        match $c {
            $crate::platform::db::Conn::Sqlite(x) => {
                type $db = ::sqlx::Sqlite;
                let $x = &mut **x;
                $body
            }
            $crate::platform::db::Conn::Pg(x) => {
                type $db = ::sqlx::postgres::Postgres;
                let $x = &mut **x;
                $body
            }
        }
    };
}
