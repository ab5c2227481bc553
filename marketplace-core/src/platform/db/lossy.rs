//! Text from a database that another program may have written to.

use sqlx::{
    Decode, Sqlite, Type,
    error::BoxDynError,
    postgres::{PgTypeInfo, PgValueRef, Postgres},
    sqlite::{SqliteTypeInfo, SqliteValueRef},
};

/// A text in which invalid UTF-8 is replaced. SQLite stores arbitrary bytes in a text column.
#[derive(Debug, Clone)]
pub(crate) struct Lossy(pub String);

impl Type<Sqlite> for Lossy {
    fn type_info() -> SqliteTypeInfo {
        <String as Type<Sqlite>>::type_info()
    }
    fn compatible(info: &SqliteTypeInfo) -> bool {
        <Vec<u8> as Type<Sqlite>>::compatible(info)
    }
}

impl<'r> Decode<'r, Sqlite> for Lossy {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(String::from_utf8_lossy(<&[u8] as Decode<Sqlite>>::decode(value)?).into_owned()))
    }
}

impl Type<Postgres> for Lossy {
    fn type_info() -> PgTypeInfo {
        <String as Type<Postgres>>::type_info()
    }
    fn compatible(info: &PgTypeInfo) -> bool {
        <String as Type<Postgres>>::compatible(info)
    }
}

impl<'r> Decode<'r, Postgres> for Lossy {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<String as Decode<Postgres>>::decode(value)?))
    }
}
