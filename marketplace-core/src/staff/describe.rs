//! Names and schemas of what operations return.

use utoipa::{
    ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, OneOfBuilder, Ref, Type},
    },
};

/// Returns how `T` is referred to, and every schema that this needs. An optional one is itself or null.
pub(super) fn reference<T: ToSchema>() -> (RefOr<Schema>, Vec<(String, RefOr<Schema>)>) {
    let mut schemas = schemas::<T>();
    let name = name::<T>();
    if let Some(inner) = name.strip_prefix("Option_") {
        let null = ObjectBuilder::new().schema_type(Type::Null);
        let schema = OneOfBuilder::new().item(Ref::from_schema_name(inner)).item(null).build();
        schemas.retain(|(known, _)| *known != name);
        return (RefOr::T(schema.into()), schemas);
    }
    (Ref::from_schema_name(name).into(), schemas)
}

/// Returns the schema of a type, and every one that it needs, by their names.
pub(super) fn schemas<T: ToSchema>() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = Vec::new();
    T::schemas(&mut schemas);
    schemas.push((name::<T>(), T::schema()));
    schemas
}

/// Returns the name of a type with those of its parameters: `Changed_UserDetail`.
pub(super) fn name<T>() -> String {
    let full = std::any::type_name::<T>();
    let parts = full.split(['<', '>', ',']).filter(|part| !part.trim().is_empty());
    parts.map(|part| part.trim().rsplit("::").next().unwrap_or(part)).collect::<Vec<_>>().join("_")
}

/// Returns the name and the schema of a body, and every schema that it needs.
pub fn body<T: ToSchema>() -> (String, Vec<(String, RefOr<Schema>)>) {
    let (_, schemas) = reference::<T>();
    (name::<T>(), schemas)
}
