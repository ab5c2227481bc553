//! A request's place among those that are being processed. It is acquired when the body has arrived, and released while the
//! request waits for its client, so that slow clients do not block others.

use std::{cell::RefCell, sync::Arc};

use marketplace_core::{
    error::Error,
    ids::UserId,
    limiter::{Full, Place},
};

use crate::{
    connection::{Exchange, Working},
    ctx::Ctx,
    network::Network,
    problem::Answer,
};

tokio::task_local! {
    static CURRENT: RefCell<Current>;
}

struct Current {
    slot: Option<Arc<Slot>>,
    client: Network,
    exchange: Option<Arc<Exchange>>,
}

/// A request's place among the handlers; cheap to share with work that continues after the client has disconnected.
#[derive(Debug)]
#[expect(dead_code, reason = "places are held, not read")]
pub(crate) struct Slot {
    place: Place<Network>,
    account: Option<Place<UserId>>,
    working: Option<Working>,
}

impl Slot {
    fn take(ctx: &Ctx, client: Network, exchange: Option<&Arc<Exchange>>) -> Result<Self, Full> {
        let place = ctx.places.handlers.take(client, 1);
        let place = place.inspect_err(|_| ctx.metrics.shed.happened())?;
        Ok(Self { place, account: None, working: exchange.map(|exchange| exchange.work()) })
    }
}

/// Takes a place for `handler` and runs it.
pub(crate) async fn within<T>(
    ctx: &Ctx,
    client: Network,
    exchange: Option<Arc<Exchange>>,
    handler: impl Future<Output = T>,
) -> Result<T, Full> {
    let slot = Some(Arc::new(Slot::take(ctx, client, exchange.as_ref())?));
    Ok(CURRENT.scope(RefCell::new(Current { slot, client, exchange }), handler).await)
}

/// Gives the place back while `waiting` for the client, and takes one again afterwards.
pub(crate) async fn released<T>(ctx: &Ctx, waiting: impl Future<Output = Answer<T>>) -> Answer<T> {
    // Outside of a request there is no place.
    let _ = CURRENT.try_with(|current| current.borrow_mut().slot.take());
    let came = waiting.await?;
    let again = CURRENT.try_with(|current| {
        let mut current = current.borrow_mut();
        let slot = Slot::take(ctx, current.client, current.exchange.as_ref())?;
        current.slot = Some(Arc::new(slot));
        Ok::<_, Full>(())
    });
    again.unwrap_or(Ok(())).map_err(Error::from)?;
    Ok(came)
}

/// Counts the request among those of its account from now on.
pub(crate) fn belongs_to(ctx: &Ctx, user: UserId) -> Result<(), Full> {
    CURRENT
        .try_with(|current| {
            let place = ctx.places.accounts.take(user, 1)?;
            if let Some(slot) = current.borrow_mut().slot.as_mut().and_then(Arc::get_mut) {
                slot.account = Some(place);
            }
            Ok(())
        })
        .unwrap_or(Ok(()))
}

/// Returns the place of the current request, for work that continues without it.
pub(crate) fn current() -> Option<Arc<Slot>> {
    CURRENT.try_with(|current| current.borrow().slot.clone()).ok().flatten()
}

/// Returns the network that the current request comes from.
pub(crate) fn client() -> Option<Network> {
    CURRENT.try_with(|current| current.borrow().client).ok()
}
