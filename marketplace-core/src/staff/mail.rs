//! Mails that were not sent yet.

use super::{input::PlainInput, operation::ListQuery};
use crate::{
    base::{change::Changed, ids::MailId, page::Page},
    operations,
    records::mail::model::{MailFilter, MailSummary},
};

operations! { "admin mail":
    /// Mails that wait or could not be sent, newest first; addresses are masked.
    ListMails = GET "/v1/admin/mail" needs UsersRead,
    (op, (): (), list: ListQuery<MailFilter>, (): ()) -> Page<MailSummary> as "A page" {
        operations::mail::list(op, &list.filter, &list.page).await
    }

    /// One mail that was not sent yet; its address is masked.
    ShowMail = GET "/v1/admin/mail/{id}" needs UsersRead,
    (op, id: MailId, (): (), (): ()) -> MailSummary as "The mail" {
        operations::mail::show(op, id).await
    }

    /// Have a mail tried again now, whose last try failed.
    RetryMail = POST "/v1/admin/mail/{id}/retry" needs UsersWrite,
    (op, id: MailId, (): (), _: PlainInput) -> Changed<MailSummary> as "The mail, as it is now" {
        operations::mail::retry(op, id).await
    }
}
