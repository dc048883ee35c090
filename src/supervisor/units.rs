//! The units in their order: found by name, and which of them may have changed since that was last told.

use std::collections::{BTreeSet, HashMap};
use std::ops::{Deref, DerefMut, Index, IndexMut};
use std::slice::SliceIndex;

use super::unit::Unit;
use crate::service::ServiceName;

/// All units. Whoever takes one for a change touches it; with many of them, most inputs touch one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Units {
    units: Vec<Unit>,
    touched: BTreeSet<usize>,
    places: HashMap<ServiceName, usize>,
}

impl Units {
    /// One more, after all others.
    pub fn push(&mut self, unit: Unit) {
        let index = self.units.len();
        self.places.insert(unit.spec.name.clone(), index);
        self.touched.insert(index);
        self.units.push(unit);
    }

    /// Where the unit of this name is.
    pub fn position(&self, name: &ServiceName) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Removes those of which this is so, and returns them.
    pub fn extract(&mut self, such: impl FnMut(&mut Unit) -> bool) -> Vec<Unit> {
        let gone: Vec<Unit> = self.units.extract_if(.., such).collect();
        if !gone.is_empty() {
            *self = std::mem::take(&mut self.units).into_iter().collect();
        }
        gone
    }

    /// Those that were touched since the last call, in their order.
    pub fn take_touched(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.touched)
    }

    /// Changes one without touching it: what it shows stays as it is.
    pub fn untouched(&mut self, index: usize) -> &mut Unit {
        &mut self.units[index]
    }
}

impl FromIterator<Unit> for Units {
    fn from_iter<I: IntoIterator<Item = Unit>>(units: I) -> Self {
        let mut all = Self::default();
        units.into_iter().for_each(|unit| all.push(unit));
        all
    }
}

impl IntoIterator for Units {
    type Item = Unit;
    type IntoIter = std::vec::IntoIter<Unit>;

    fn into_iter(self) -> Self::IntoIter {
        self.units.into_iter()
    }
}

impl Deref for Units {
    type Target = [Unit];

    fn deref(&self) -> &[Unit] {
        &self.units
    }
}

/// Whoever may change all of them touches all.
impl DerefMut for Units {
    fn deref_mut(&mut self) -> &mut [Unit] {
        self.touched.extend(0..self.units.len());
        &mut self.units
    }
}

impl<I: SliceIndex<[Unit]>> Index<I> for Units {
    type Output = I::Output;

    fn index(&self, index: I) -> &I::Output {
        &self.units[index]
    }
}

impl IndexMut<usize> for Units {
    fn index_mut(&mut self, index: usize) -> &mut Unit {
        self.touched.insert(index);
        &mut self.units[index]
    }
}
