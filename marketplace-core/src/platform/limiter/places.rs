//! Limited places, of which one key can hold only a share.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::base::error::Error;

/// A limited number of places, and how many of them one key (an address, an account) may hold. Cheap to clone.
///
/// A place stands for any scarce resource: a request being processed, a byte held in memory.
pub struct Places<K: Copy + Eq + Hash>(Arc<Inner<K>>);

struct Inner<K> {
    total: usize,
    share: usize,
    taken: Mutex<Taken<K>>,
}

struct Taken<K> {
    sum: usize,
    by_key: HashMap<K, usize>,
}

/// Why no place is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The key already holds its share.
    Share,
    /// All places are taken.
    All,
}

impl From<Full> for Error {
    fn from(full: Full) -> Self {
        match full {
            Full::Share => Self::rate_limited(Duration::from_secs(1)),
            Full::All => Self::busy("too much is under way at once; try again shortly"),
        }
    }
}

impl<K: Copy + Eq + Hash> Places<K> {
    /// Creates `total` places, of which a key may hold `share` at once.
    pub fn new(total: usize, share: usize) -> Self {
        let taken = Mutex::new(Taken { sum: 0, by_key: HashMap::new() });
        Self(Arc::new(Inner { total, share, taken }))
    }

    /// Takes `weight` places.
    ///
    /// A key that holds nothing may take more than a share: otherwise large items could never be accepted.
    ///
    /// # Errors
    /// Returns [`Full`] when `weight` is more than is left, or more than the key's share.
    pub fn take(&self, key: K, weight: usize) -> Result<Place<K>, Full> {
        let mut taken = self.lock();
        let held = taken.by_key.get(&key).copied().unwrap_or_default();
        if held > 0 && held.saturating_add(weight) > self.0.share {
            return Err(Full::Share);
        }
        if taken.sum.saturating_add(weight) > self.0.total {
            return Err(Full::All);
        }
        Ok(self.add(&mut taken, key, weight))
    }

    /// Takes `weight` places whether or not they are available: for work in progress that can no longer be refused.
    pub fn force(&self, key: K, weight: usize) -> Place<K> {
        self.add(&mut self.lock(), key, weight)
    }

    /// Returns how many places are taken.
    pub fn taken(&self) -> usize {
        self.lock().sum
    }

    fn add(&self, taken: &mut Taken<K>, key: K, weight: usize) -> Place<K> {
        taken.sum = taken.sum.saturating_add(weight);
        let held = taken.by_key.entry(key).or_default();
        *held = held.saturating_add(weight);
        Place { places: self.clone(), key, weight }
    }

    fn lock(&self) -> MutexGuard<'_, Taken<K>> {
        // No code panics between the two updates.
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Clone for Places<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Copy + Eq + Hash> fmt::Debug for Places<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Places({} of {})", self.taken(), self.0.total)
    }
}

/// Places that are held until this is dropped.
#[derive(Debug)]
pub struct Place<K: Copy + Eq + Hash> {
    places: Places<K>,
    key: K,
    weight: usize,
}

impl<K: Copy + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.sum = taken.sum.saturating_sub(self.weight);
        if let Some(held) = taken.by_key.get_mut(&self.key) {
            *held = held.saturating_sub(self.weight);
            if *held == 0 {
                taken.by_key.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_the_last() {
        let places = Places::new(10, 4);
        let greedy: Vec<_> = (0..10).filter_map(|_| places.take('a', 1).ok()).collect();
        assert_eq!((greedy.len(), places.taken()), (4, 4));
        let other = places.take('b', 4).unwrap();
        // The remainder is less than a share, and is available to keys that ask for no more than that.
        assert_eq!(places.take('a', 1).unwrap_err(), Full::Share);
        assert_eq!(places.take('c', 3).unwrap_err(), Full::All);
        let third = places.take('c', 2).unwrap();
        assert_eq!(places.take('d', 1).unwrap_err(), Full::All);
        drop((greedy, other, third));
        assert_eq!((places.taken(), places.lock().by_key.len()), (0, 0));
    }

    #[test]
    fn something_large_is_taken_alone() {
        let places = Places::new(10, 4);
        let large = places.take('a', 9).unwrap();
        assert_eq!(places.take('a', 1).unwrap_err(), Full::Share);
        assert_eq!(places.take('b', 2).unwrap_err(), Full::All);
        let more = places.force('b', 2);
        assert_eq!(places.taken(), 11);
        drop((large, more));
        assert!(places.take('b', 10).is_ok());
    }
}
