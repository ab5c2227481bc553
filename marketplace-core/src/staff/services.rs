//! Services.

use serde::{Deserialize, Serialize};

use super::{
    input::{PlainInput, ReasonedInput},
    operation::ListQuery,
};
use crate::{
    base::{
        change::Changed,
        ids::{PhotoId, ServiceId},
        page::Page,
    },
    kyc::model::FileContent,
    messaging::model::RemovalReason,
    services::{
        self,
        model::{PhotoSize, ServiceDetail, ServiceFilter, ServiceSummary},
    },
};

/// Which rendering of a photo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct PhotoQuery {
    /// `full` (1,600 pixels a side at most), which it is without, `medium` (640), or `thumb` (320).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub size: Option<PhotoSize>,
}

whole_query!(PhotoQuery);

operations! { "admin services":
    /// Services in any state, newest first. Workers' names are masked.
    ListServices = GET "/v1/admin/services" needs ServicesRead,
    (op, (): (), list: ListQuery<ServiceFilter>, (): ()) -> Page<ServiceSummary> as "A page"
    with { const ID: &'static str = "ListAllServices"; } {
        services::staff_list(op, &list.filter, &list.page).await
    }

    /// One service, in any state.
    ShowService = GET "/v1/admin/services/{id}" needs ServicesRead,
    (op, id: ServiceId, (): (), (): ()) -> ServiceDetail as "The service"
    with { const VERSION: Option<fn(&ServiceDetail) -> i64> = Some(|detail| detail.service.version); } {
        services::staff_show(op, id).await
    }

    /// Close a service: nobody finds it, and its worker, who is told why, cannot publish it again.
    CloseService = POST "/v1/admin/services/{id}/close" needs ServicesWrite,
    (op, id: ServiceId, (): (), input: ReasonedInput<RemovalReason>) -> Changed<ServiceDetail> as "The service, as it is now"
    with { const ID: &'static str = "CloseAnyService"; } {
        services::staff_close(op, id, input.reason).await
    }

    /// Take the closing of a service back: its worker can publish it again.
    ReopenService = POST "/v1/admin/services/{id}/reopen" needs ServicesWrite,
    (op, id: ServiceId, (): (), _: PlainInput) -> Changed<ServiceDetail> as "The service, as it is now" {
        services::staff_reopen(op, id).await
    }

    /// A photo of a service in any state, or one that is kept because it was reported.
    ViewPhoto = GET "/v1/admin/photos/{id}" needs ServicesRead,
    (op, id: PhotoId, size: PhotoQuery, (): ()) -> FileContent as "The photo" {
        services::staff_photo(op, id, size.size.unwrap_or(PhotoSize::Full)).await
    }

    /// Remove a photo from a service; its worker is told why. One that was reported stays for staff. What was removed before stays as it is.
    RemovePhoto = POST "/v1/admin/services/{id}/photos/{photo_id}/remove" needs ServicesWrite,
    (op, (id, photo): (ServiceId, PhotoId), (): (), input: ReasonedInput<RemovalReason>) -> Changed<ServiceDetail> as "The service, as it is now" {
        services::staff_remove_photo(op, id, photo, input.reason).await
    }
}
