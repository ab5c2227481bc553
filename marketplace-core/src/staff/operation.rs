//! What a staff operation is: declared once, and from that run over the database, called over HTTP, guarded, mounted and
//! described.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    base::{
        change::Change,
        error::{Error, Result},
        ids::Named,
        page::PageRequest,
        permission::Permission,
    },
    export::Export,
    kyc::model::{FileContent, FileKind},
    operation::Operation,
};

/// How an operation is called over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    GET,
    /// Changes, or reads what is on record as read.
    POST,
    /// Changes some of it (RFC 7396).
    PATCH,
    /// Deletes.
    DELETE,
}

/// Whether an operation changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does not, but for the audit log.
    Read,
    /// It does.
    Change,
}

/// One thing that staff can do. Declared with `operations!`, in the file of its feature beside this one.
pub trait StaffOperation: Send + Sync + 'static {
    /// Its name, as tests and logs have it.
    const NAME: &'static str;
    /// Its name in the description; clients and workers have operations of their own for what is called alike there.
    const ID: &'static str = Self::NAME;
    /// How it is called over HTTP.
    const METHOD: Method;
    /// Where, with the parameters in braces.
    const PATH: &'static str;
    /// The part of the description in which it stands.
    const TAG: &'static str;
    /// The lines of its documentation; the first is the summary.
    const DOC: &'static [&'static str];
    /// What it returns, in words.
    const RETURNS: &'static str;
    /// The permission that it asks for in any case; what is asked for may need more. None for what anybody on the staff may.
    const PERMISSION: Option<Permission> = None;
    /// Whether it changes anything: only `GET` does not, unless it says otherwise.
    const EFFECT: Effect = if matches!(Self::METHOD, Method::GET) { Effect::Read } else { Effect::Change };
    /// In words, what a dry run of it returns, when it creates something.
    const DRY_RUN: Option<&'static str> = None;
    /// Whether a repeated call with the same `Idempotency-Key` gets the stored response: not where that holds a secret.
    const KEEPS_RESPONSE: bool = true;
    /// Whether the server mounts it by itself: not what it serves as a stream too.
    const IS_MOUNTED: bool = true;
    /// The version of what it returns, for its `ETag`.
    const VERSION: Option<fn(&Self::Answer) -> i64> = None;

    /// The parameters of the path.
    type Path: PathParameters;
    /// The parameters of the query.
    type Query: Query;
    /// The body; `()` for none.
    type Body: Body;
    /// What it returns.
    type Answer: Answer;

    /// Returns the schemas of what it returns several of, or what it returns as changed.
    #[cfg(feature = "openapi")]
    fn items() -> Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)> {
        Vec::new()
    }

    /// Runs it over the database.
    fn run(
        op: &Operation,
        path: Self::Path,
        query: Self::Query,
        body: Self::Body,
    ) -> impl Future<Output = Result<Self::Answer>> + Send;
}

/// Whatever needs every operation (routes, their description, tables in tests) visits them: see [`visit`](super::visit).
pub trait Visitor {
    /// Visits one.
    fn visit<O: StaffOperation>(&mut self);
}

/// Runs an operation over the database, with the change that its body asks for.
///
/// # Errors
/// What the operation returns.
pub async fn run<O: StaffOperation>(
    op: &Operation,
    path: O::Path,
    query: O::Query,
    body: O::Body,
) -> Result<O::Answer> {
    // Boxed: some are large, and every layer above would carry their size.
    Box::pin(O::run(&op.with(body.change()), path, query, body)).await
}

/// What can be described where the description is built; nothing otherwise.
#[cfg(feature = "openapi")]
pub trait Described: utoipa::ToSchema {}
#[cfg(feature = "openapi")]
impl<T: utoipa::ToSchema> Described for T {}
/// What can be described where the description is built; nothing otherwise.
#[cfg(not(feature = "openapi"))]
pub trait Described {}
#[cfg(not(feature = "openapi"))]
impl<T> Described for T {}

/// What can be parameters of a query where the description is built; nothing otherwise.
#[cfg(feature = "openapi")]
pub trait DescribedQuery: utoipa::IntoParams {}
#[cfg(feature = "openapi")]
impl<T: utoipa::IntoParams> DescribedQuery for T {}
/// What can be parameters of a query where the description is built; nothing otherwise.
#[cfg(not(feature = "openapi"))]
pub trait DescribedQuery {}
#[cfg(not(feature = "openapi"))]
impl<T> DescribedQuery for T {}

/// The parameters of a path, in the order of its braces.
pub trait PathParameters: Sized + Send + 'static {
    /// Returns them as segments.
    fn segments(&self) -> Vec<String>;
    /// Returns them from segments.
    ///
    /// # Errors
    /// `not_found` when one is none of its kind: there is no such thing.
    fn parse(segments: &[&str]) -> Result<Self>;
    /// Returns the schema of each by its name, and the schema itself.
    #[cfg(feature = "openapi")]
    fn schemas() -> Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>;
}

fn parse_segment<T: Named>(segments: &[&str], at: usize) -> Result<T> {
    segments.get(at).and_then(|text| text.parse().ok()).ok_or_else(|| Error::not_found(T::NAME))
}

impl PathParameters for () {
    fn segments(&self) -> Vec<String> {
        Vec::new()
    }
    fn parse(_: &[&str]) -> Result<Self> {
        Ok(())
    }
    #[cfg(feature = "openapi")]
    fn schemas() -> Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)> {
        Vec::new()
    }
}

impl<T: Named + Described + Send + 'static> PathParameters for T {
    fn segments(&self) -> Vec<String> {
        vec![self.to_string()]
    }
    fn parse(segments: &[&str]) -> Result<Self> {
        parse_segment(segments, 0)
    }
    #[cfg(feature = "openapi")]
    fn schemas() -> Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)> {
        vec![(T::name().into_owned(), T::schema())]
    }
}

/// Something of something.
impl<A, B> PathParameters for (A, B)
where
    A: Named + Described + Send + 'static,
    B: Named + Described + Send + 'static,
{
    fn segments(&self) -> Vec<String> {
        vec![self.0.to_string(), self.1.to_string()]
    }
    fn parse(segments: &[&str]) -> Result<Self> {
        Ok((parse_segment(segments, 0)?, parse_segment(segments, 1)?))
    }
    #[cfg(feature = "openapi")]
    fn schemas() -> Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)> {
        vec![(A::name().into_owned(), A::schema()), (B::name().into_owned(), B::schema())]
    }
}

/// A file of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOf<T>(
    /// Of what.
    pub T,
    /// Which one.
    pub FileKind,
);

impl<T: Named + Described + Send + 'static> PathParameters for FileOf<T> {
    fn segments(&self) -> Vec<String> {
        vec![self.0.to_string(), self.1.to_string()]
    }
    fn parse(segments: &[&str]) -> Result<Self> {
        Ok(Self(parse_segment(segments, 0)?, parse_segment(segments, 1)?))
    }
    #[cfg(feature = "openapi")]
    fn schemas() -> Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)> {
        use utoipa::{PartialSchema as _, ToSchema as _};
        vec![(T::name().into_owned(), T::schema()), (FileKind::name().into_owned(), FileKind::schema())]
    }
}

/// Reads parts of a query string.
pub trait QueryReader {
    /// What it returns when a parameter does not fit.
    type Error;
    /// Reads the parameters whose names `takes` accepts as a `T`.
    ///
    /// # Errors
    /// When one does not fit, with its name.
    fn read<T: DeserializeOwned>(&self, takes: impl Fn(&str) -> bool) -> Result<T, Self::Error>;
    /// Returns an error of a parameter that fits and breaks a rule.
    fn refuse(error: Error) -> Self::Error;
}

/// The parameters of a query.
pub trait Query: Sized + Send + 'static {
    /// Returns them as pairs, without those that are not given.
    fn pairs(&self) -> Vec<(String, String)>;
    /// Reads them.
    ///
    /// # Errors
    /// When one does not fit.
    fn read<R: QueryReader>(reader: &R) -> Result<Self, R::Error>;
    /// Returns how they are described.
    #[cfg(feature = "openapi")]
    fn parameters() -> Vec<utoipa::openapi::path::Parameter>;
}

/// Returns a flat object as pairs; nulls are left out.
#[must_use]
pub fn pairs(query: &impl Serialize) -> Vec<(String, String)> {
    let Ok(Value::Object(fields)) = serde_json::to_value(query) else { return Vec::new() };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, text(value))).collect()
}

#[cfg(feature = "openapi")]
pub(super) fn parameters<T: utoipa::IntoParams>() -> Vec<utoipa::openapi::path::Parameter> {
    T::into_params(|| Some(utoipa::openapi::path::ParameterIn::Query))
}

impl Query for () {
    fn pairs(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    fn read<R: QueryReader>(_: &R) -> Result<Self, R::Error> {
        Ok(())
    }
    #[cfg(feature = "openapi")]
    fn parameters() -> Vec<utoipa::openapi::path::Parameter> {
        Vec::new()
    }
}

/// Which rows of a list, and which page of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery<F> {
    /// Which rows.
    pub filter: F,
    /// Which page.
    pub page: PageRequest,
}

impl<F: Clone> ListQuery<F> {
    /// Returns a page of the rows that `filter` lets through.
    pub fn new(filter: &F, page: &PageRequest) -> Self {
        Self { filter: filter.clone(), page: page.clone() }
    }
}

impl<F: Serialize + DeserializeOwned + DescribedQuery + Send + 'static> Query for ListQuery<F> {
    fn pairs(&self) -> Vec<(String, String)> {
        let mut all = pairs(&self.filter);
        all.extend(pairs(&self.page));
        all
    }
    fn read<R: QueryReader>(reader: &R) -> Result<Self, R::Error> {
        let is_page = |name: &str| matches!(name, "limit" | "after");
        let page: PageRequest = reader.read(is_page)?;
        page.checked_limit().map_err(R::refuse)?;
        Ok(Self { filter: reader.read(|name| !is_page(name))?, page })
    }
    #[cfg(feature = "openapi")]
    fn parameters() -> Vec<utoipa::openapi::path::Parameter> {
        let mut all = parameters::<F>();
        all.extend(parameters::<PageRequest>());
        all
    }
}

/// Has a type be the whole of a query.
macro_rules! whole_query {
    ($query:ty) => {
        impl $crate::staff::operation::Query for $query {
            fn pairs(&self) -> Vec<(String, String)> {
                $crate::staff::operation::pairs(self)
            }
            fn read<R: $crate::staff::operation::QueryReader>(reader: &R) -> Result<Self, R::Error> {
                reader.read(|_| true)
            }
            #[cfg(feature = "openapi")]
            fn parameters() -> Vec<utoipa::openapi::path::Parameter> {
                $crate::staff::operation::parameters::<$query>()
            }
        }
    };
}

whole_query!(PageRequest);

/// A body, and what it says of how the change is to be made.
pub trait Body: Serialize + DeserializeOwned + Described + Send + Sync + 'static {
    /// Whether there is one.
    const IS_PRESENT: bool = true;
    /// Returns how the change is to be made.
    fn change(&self) -> Change;
    /// Takes the version that the subject must be at (`If-Match`), which is no part of the body on the wire.
    fn set_version(&mut self, if_version: Option<i64>);
}

impl Body for () {
    const IS_PRESENT: bool = false;
    fn change(&self) -> Change {
        Change::default()
    }
    fn set_version(&mut self, _: Option<i64>) {}
}

/// What an operation returns, on its way.
#[derive(Debug)]
pub enum Content {
    /// JSON.
    Json(bytes::Bytes),
    /// A file, whole.
    File(FileContent),
    /// An archive, while it is made.
    Archive(Export),
}

/// Of which kind a [`Content`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentKind {
    /// JSON.
    Json,
    /// A file.
    File,
    /// An archive.
    Archive,
}

/// How what an operation returns is described.
#[cfg(feature = "openapi")]
#[derive(Default)]
#[expect(missing_debug_implementations, reason = "a schema cannot be shown so")]
pub struct DescribedAnswer {
    /// Its media types, each with its schema.
    pub media_types: Vec<(&'static str, Option<utoipa::openapi::RefOr<utoipa::openapi::Schema>>)>,
    /// The schemas that these need, by their names.
    pub schemas: Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>,
}

/// What an operation can return: what is JSON, a file, an archive.
pub trait Answer: Sized + Send + 'static {
    /// Of which kind it is.
    const KIND: ContentKind;
    /// Returns it as it goes over the wire.
    ///
    /// # Errors
    /// `internal` when it cannot be written.
    fn encode(self) -> Result<Content>;
    /// Returns it as it came over the wire; nothing when it is of another kind.
    ///
    /// # Errors
    /// What is wrong with the JSON.
    fn decode(content: Content) -> Result<Option<Self>, serde_json::Error>;
    /// Returns how it is described.
    #[cfg(feature = "openapi")]
    fn describe() -> DescribedAnswer;
}

impl<T: Serialize + DeserializeOwned + Described + Send + 'static> Answer for T {
    const KIND: ContentKind = ContentKind::Json;
    fn encode(self) -> Result<Content> {
        Ok(Content::Json(serde_json::to_vec(&self).map_err(Error::internal)?.into()))
    }
    fn decode(content: Content) -> Result<Option<Self>, serde_json::Error> {
        let Content::Json(bytes) = content else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some)
    }
    #[cfg(feature = "openapi")]
    fn describe() -> DescribedAnswer {
        let (schema, schemas) = super::describe::reference::<T>();
        DescribedAnswer { media_types: vec![("application/json", Some(schema))], schemas }
    }
}

impl Answer for FileContent {
    const KIND: ContentKind = ContentKind::File;
    fn encode(self) -> Result<Content> {
        Ok(Content::File(self))
    }
    fn decode(content: Content) -> Result<Option<Self>, serde_json::Error> {
        Ok(if let Content::File(file) = content { Some(file) } else { None })
    }
    #[cfg(feature = "openapi")]
    fn describe() -> DescribedAnswer {
        let media_types = ["image/jpeg", "image/png", "image/webp", "application/pdf"].map(|kind| (kind, None));
        DescribedAnswer { media_types: media_types.to_vec(), schemas: Vec::new() }
    }
}

impl Answer for Export {
    const KIND: ContentKind = ContentKind::Archive;
    fn encode(self) -> Result<Content> {
        Ok(Content::Archive(self))
    }
    fn decode(content: Content) -> Result<Option<Self>, serde_json::Error> {
        Ok(if let Content::Archive(export) = content { Some(export) } else { None })
    }
    #[cfg(feature = "openapi")]
    fn describe() -> DescribedAnswer {
        DescribedAnswer { media_types: vec![("application/zip", None)], schemas: Vec::new() }
    }
}

/// Declares operations, and lists them for [`Visitor`]s. A declaration reads: documentation, name, method and path, the
/// permission that it needs, its path, query and body, what it returns, and how it runs.
macro_rules! operations {
    ($tag:literal: $(
        $(#[doc = $doc:literal])*
        $name:ident = $method:ident $path:literal $(needs $permission:ident)?,
        ($op:ident, $p:tt: $Path:ty, $q:tt: $Query:ty, $b:tt: $Body:ty) -> $Answer:ident $(<$Item:ty>)? as $returns:literal
        $(with { $($item:item)* })?
        $body:block
    )*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Debug)]
            pub struct $name;

            impl $crate::staff::operation::StaffOperation for $name {
                const NAME: &'static str = stringify!($name);
                const METHOD: $crate::staff::operation::Method = $crate::staff::operation::Method::$method;
                const PATH: &'static str = $path;
                const TAG: &'static str = $tag;
                const DOC: &'static [&'static str] = &[$($doc),*];
                const RETURNS: &'static str = $returns;
                $(const PERMISSION: Option<$crate::base::permission::Permission> =
                    Some($crate::base::permission::Permission::$permission);)?
                $($($item)*)?
                type Path = $Path;
                type Query = $Query;
                type Body = $Body;
                type Answer = $Answer $(<$Item>)?;
                $(
                    #[cfg(feature = "openapi")]
                    fn items() -> Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)> {
                        $crate::staff::describe::schemas::<$Item>()
                    }
                )?
                async fn run($op: &$crate::operation::Operation, $p: $Path, $q: $Query, $b: $Body)
                -> $crate::base::error::Result<$Answer $(<$Item>)?> $body
            }
        )*

        /// Visits each of these.
        pub(super) fn visit(visitor: &mut impl $crate::staff::operation::Visitor) {
            $(visitor.visit::<$name>();)*
        }
    };
}
