//! Services.

use super::{
    input::{PlainInput, ReasonedInput},
    operation::ListQuery,
};
use crate::{
    base::{change::Changed, ids::ServiceId, page::Page},
    messaging::model::RemovalReason,
    services::{
        self,
        model::{ServiceDetail, ServiceFilter, ServiceSummary},
    },
};

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
}
