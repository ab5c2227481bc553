//! All connections of a listener. A new one never waits for a place: when there are too many, from one address or in all,
//! those are closed that have waited longest for their client.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{Activity, Standing};
use crate::network::Network;

/// When connections must be closed, this fraction (1/64) is closed at once, so that not every new connection has to
/// look at all of them.
const PART: usize = 64;
/// The weight of an HTTP/2 connection: it needs more memory, and nobody needs many of them.
pub(crate) const HTTP2: usize = 4;
/// A client that has read nothing of a response for this long may lose its connection to make room for other responses.
const NOTHING_TAKEN: Duration = Duration::from_secs(1);

/// See the [module](self); cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Crowd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: usize,
    share: usize,
    /// A time before every connection, from which times are counted.
    epoch: Instant,
    next: AtomicU64,
    state: Mutex<State>,
}

/// Groups by address; connections that are not counted by address are under `None`.
#[derive(Debug, Default)]
struct State {
    groups: HashMap<Option<Network>, Group>,
    weight: usize,
}

/// The connections of one address.
#[derive(Debug, Default)]
struct Group {
    members: HashMap<u64, (Arc<Activity>, usize)>,
    weight: usize,
}

/// The error when there is no place, and no connection that could be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Crowd {
    /// Creates a crowd of at most `total` connections, at most `share` of them from one address.
    pub fn new(total: usize, share: usize) -> Self {
        let state = Mutex::default();
        Self(Arc::new(Inner { total, share, epoch: Instant::now(), next: AtomicU64::new(0), state }))
    }

    /// Adds a connection from `address`, or from a proxy that stands for many clients (`None`); makes room for it if
    /// necessary.
    pub fn enter(&self, address: Option<Network>, activity: &Arc<Activity>) -> Result<Member, Full> {
        let mut state = self.lock();
        if !self.has_room(&mut state, address, 1) {
            return Err(Full);
        }
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        state.groups.entry(address).or_default().members.insert(id, (Arc::clone(activity), 0));
        state.add(address, id, 1);
        Ok(Member { crowd: self.clone(), address, id, activity: Arc::clone(activity) })
    }

    /// Returns whether there is room for `more`, after closing those connections that may be closed.
    fn has_room(&self, state: &mut State, address: Option<Network>, more: usize) -> bool {
        let own = address.and_then(|_| state.groups.get(&address)).map_or(0, |group| group.weight);
        if own + more > self.0.share && !self.close_some(state, |one| *one == address, self.0.share.div_ceil(PART)) {
            return false;
        }
        state.weight + more <= self.0.total || self.close_some(state, |_| true, self.0.total.div_ceil(PART))
    }

    /// Closes the connections that have waited longest for their clients; returns whether there was one.
    pub fn make_room(&self) -> bool {
        let mut state = self.lock();
        let count = state.weight.div_ceil(PART);
        self.close_some(&mut state, |_| true, count)
    }

    /// Closes the connection, of `address` or of all, that has the most requests waiting only for their clients, so
    /// that another connection gets its turn; returns whether there was one besides `but`.
    pub fn close_heaviest(&self, address: Option<Network>, but: &Arc<Activity>) -> bool {
        self.close_most(address, but, |one| match one.standing(self.0.epoch) {
            Standing::Waiting(_) => one.requests.load(Ordering::Relaxed),
            _ => 0,
        })
    }

    /// Closes the connection, of `address` or of all, for which the server holds the most unread response bytes;
    /// returns whether there was one besides `but`.
    pub fn close_fullest(&self, address: Option<Network>, but: &Arc<Activity>) -> bool {
        self.close_most(address, but, |one| {
            let took_at = one.opened + Duration::from_millis(one.took_at.load(Ordering::Relaxed));
            if took_at.elapsed() < NOTHING_TAKEN { 0 } else { one.answers.load(Ordering::Relaxed) }
        })
    }

    fn close_most(
        &self,
        address: Option<Network>,
        but: &Arc<Activity>,
        weight: impl Fn(&Arc<Activity>) -> usize,
    ) -> bool {
        let mut state = self.lock();
        let groups = state.groups.iter().filter(|(key, _)| address.is_none() || **key == address);
        let members = groups.flat_map(|(key, group)| group.members.iter().map(move |(id, (one, _))| (*key, *id, one)));
        let others = members.filter(|(_, _, one)| !Arc::ptr_eq(one, but));
        let heaviest = others.map(|(key, id, one)| (weight(one), key, id)).max_by_key(|(weight, ..)| *weight);
        match heaviest {
            Some((1.., key, id)) => {
                state.close(key, id);
                true
            }
            _ => false,
        }
    }

    /// Closes up to `count` connections in the groups that `of` selects.
    fn close_some(&self, state: &mut State, of: impl Fn(&Option<Network>) -> bool, count: usize) -> bool {
        let groups = state.groups.iter().filter(|(key, _)| of(key));
        let members = groups.flat_map(|(key, group)| group.members.iter().map(move |(id, (one, _))| (*key, *id, one)));
        let standing = |(key, id, one): (_, _, &Arc<Activity>)| (one.standing(self.0.epoch), key, id);
        let mut may_go: Vec<_> = members.map(standing).filter(|(standing, ..)| *standing != Standing::Busy).collect();
        let last = count.clamp(1, may_go.len().max(1)) - 1;
        if may_go.is_empty() {
            return false;
        }
        may_go.select_nth_unstable(last);
        for (_, key, id) in may_go.into_iter().take(last + 1) {
            state.close(key, id);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No panic can occur between two changes that belong together.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Frees the place at once; the connection ends when its task next runs.
    fn close(&mut self, key: Option<Network>, id: u64) {
        if let Some(activity) = self.remove(key, id) {
            activity.end.cancel();
        }
    }

    fn remove(&mut self, key: Option<Network>, id: u64) -> Option<Arc<Activity>> {
        let group = self.groups.get_mut(&key)?;
        let (removed, weight) = group.members.remove(&id)?;
        group.weight -= weight;
        self.weight -= weight;
        if group.members.is_empty() {
            self.groups.remove(&key);
        }
        Some(removed)
    }

    /// Adds `more` to a connection's weight, unless it has been closed.
    fn add(&mut self, key: Option<Network>, id: u64, more: usize) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        let Some((_, weight)) = group.members.get_mut(&id) else { return };
        *weight += more;
        group.weight += more;
        self.weight += more;
    }
}

/// A connection's place; held until this is dropped, or until another connection needs the place more.
#[derive(Debug)]
pub(crate) struct Member {
    crowd: Crowd,
    address: Option<Network>,
    id: u64,
    activity: Arc<Activity>,
}

impl Member {
    /// Returns the connection's activity.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Counts the connection as `weight` connections from now on; others may be closed for that, or this one.
    pub fn weighs(&self, weight: usize) {
        let more = weight.saturating_sub(1);
        let mut state = self.crowd.lock();
        if self.crowd.has_room(&mut state, self.address, more) {
            state.add(self.address, self.id, more);
        } else {
            state.close(self.address, self.id);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.crowd.lock().remove(self.address, self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(last: u8) -> Network {
        Network::of(IpAddr::from([10, 0, 0, last]))
    }

    fn open(crowd: &Crowd, last: u8) -> Result<Member, Full> {
        crowd.enter(Some(address(last)), &Activity::new())
    }

    async fn pause() {
        tokio::time::advance(Duration::from_millis(10)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_of_an_address_goes_for_its_next_one() {
        let crowd = Crowd::new(10, 3);
        let mut own = Vec::new();
        for _ in 0..3 {
            own.push(open(&crowd, 1).unwrap());
            pause().await;
        }
        let other = open(&crowd, 2).unwrap();
        // The server works on the first one; the second one waits for a body.
        let busy = own[0].activity().begin();
        let _work = busy.work();
        let _body = own[1].activity().begin();
        let closed = |own: &[Member]| own.iter().map(|one| one.activity().end.is_cancelled()).collect::<Vec<_>>();
        own.push(open(&crowd, 1).unwrap());
        assert_eq!(closed(&own), [false, false, true, false]);
        let third = own[3].activity().begin();
        let _work = third.work();
        own.push(open(&crowd, 1).unwrap());
        assert_eq!(closed(&own), [false, true, true, false, false]);
        let fourth = own[4].activity().begin();
        let _work = fourth.work();
        assert_eq!(open(&crowd, 1).unwrap_err(), Full);
        assert!(!other.activity().end.is_cancelled());
        drop(own);
        assert_eq!(crowd.lock().groups.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_stands_for_many_is_not_counted_by_address_and_makes_room_too() {
        let crowd = Crowd::new(6, 2);
        let proxied: Vec<_> = (0..6).map(|_| crowd.enter(None, &Activity::new()).unwrap()).collect();
        pause().await;
        let _new = open(&crowd, 1).unwrap();
        assert_eq!(proxied.iter().filter(|one| one.activity().end.is_cancelled()).count(), 1);
        assert_eq!(crowd.lock().weight, 6);
        drop(proxied);
        assert_eq!(crowd.lock().weight, 1);
        assert!(crowd.make_room());
        assert!(!crowd.make_room());
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_more_counts_for_more() {
        let crowd = Crowd::new(10, 6);
        let first = open(&crowd, 1).unwrap();
        pause().await;
        let second = open(&crowd, 1).unwrap();
        pause().await;
        let third = open(&crowd, 1).unwrap();
        third.weighs(4);
        assert!(!first.activity().end.is_cancelled());
        let _fourth = open(&crowd, 1).unwrap();
        assert!(first.activity().end.is_cancelled() && !second.activity().end.is_cancelled());
        assert_eq!(crowd.lock().weight, 6);
        drop(third);
        assert_eq!(crowd.lock().weight, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_heaviest_goes_for_the_requests_of_others() {
        let crowd = Crowd::new(10, 9);
        let (light, heavy, me) = (open(&crowd, 1).unwrap(), open(&crowd, 1).unwrap(), open(&crowd, 1).unwrap());
        assert!(!crowd.close_heaviest(Some(address(1)), me.activity()), "nobody has a request");
        let request = light.activity().begin();
        let _heavy: Vec<_> = (0..3).map(|_| heavy.activity().begin()).collect();
        let _mine: Vec<_> = (0..9).map(|_| me.activity().begin()).collect();
        assert!(!crowd.close_heaviest(Some(address(2)), me.activity()));
        assert!(crowd.close_heaviest(Some(address(1)), me.activity()));
        assert!(heavy.activity().end.is_cancelled() && !light.activity().end.is_cancelled());
        assert!(!me.activity().end.is_cancelled());
        let work = request.work();
        assert!(!crowd.close_heaviest(None, me.activity()), "the light one is worked for");
        drop(work);
        assert!(crowd.close_heaviest(None, me.activity()));
    }
}
