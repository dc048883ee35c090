//! How many may be connected at a time: in total, and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The most connections at a time.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// In total.
    pub total: usize,
    /// From one IP address; `None` for no limit of its own, as behind a proxy, where all come from one.
    pub per_ip: Option<usize>,
}

/// In total, and no limit per address.
impl From<usize> for Places {
    fn from(total: usize) -> Self {
        Self { total, per_ip: None }
    }
}

/// Who is connected from where.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    places: Places,
    /// Kept only while there is a limit per address.
    by_ip: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One visitor's place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    taken: Taken,
    ip: IpAddr,
}

impl Taken {
    pub(crate) fn new(places: Places) -> Self {
        Self {
            places,
            by_ip: Arc::default(),
        }
    }

    /// A place for a visitor while `now` others are connected, or the reason why there is none.
    pub(crate) fn take(&self, ip: IpAddr, now: usize) -> Result<Place, String> {
        let Places { total, per_ip } = self.places;
        if now >= total {
            return Err(format!("all {total} places are taken: try again later"));
        }
        if let Some(limit) = per_ip {
            let mut by_ip = self.by_ip.lock().unwrap_or_else(PoisonError::into_inner);
            let count = by_ip.entry(ip).or_default();
            if *count >= limit {
                return Err(format!(
                    "all {limit} places of {ip} are taken: close a connection first"
                ));
            }
            *count += 1;
        }
        Ok(Place {
            taken: self.clone(),
            ip,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.taken.places.per_ip.is_none() {
            return;
        }
        let mut by_ip = self.taken.by_ip.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                by_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Places, Taken};

    #[test]
    fn places_are_limited_in_total_and_per_address_and_given_back() {
        let taken = Taken::new(Places {
            total: 3,
            per_ip: Some(1),
        });
        let (here, there) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let place = taken.take(here, 0).expect("free");
        let refusal = taken.take(here, 1).expect_err("one per address");
        assert_eq!(
            refusal,
            "all 1 places of 127.0.0.1 are taken: close a connection first"
        );
        assert!(taken.take(there, 1).is_ok());
        drop(place);
        assert!(taken.take(here, 0).is_ok());
        assert!(taken.take(here, 3).is_err(), "three are there");
        assert!(
            taken.by_ip.lock().expect("not poisoned").is_empty(),
            "nobody is remembered"
        );
    }
}
