//! The units in their order: found by name, by their deadlines, and by what may have changed about them.
//!
//! With hundreds of units an input is about one. Whoever takes a unit for a change touches it; what is derived from
//! a unit alone is derived anew for those that were touched, and nobody else is looked at.

use std::collections::{BTreeSet, HashMap};
use std::ops::{Deref, DerefMut, Index, IndexMut};
use std::slice::SliceIndex;

use super::moment::Moment;
use super::unit::Unit;
use crate::service::ServiceName;

/// All units.
#[derive(Clone, Debug, Default)]
pub struct Units {
    units: Vec<Unit>,
    /// What they show may be another.
    touched: BTreeSet<usize>,
    /// What the order among units may move: those that were touched, and those that wait for others.
    awake: BTreeSet<usize>,
    /// Their deadlines may be others.
    stirred: BTreeSet<usize>,
    /// The deadline of each, and all of them in the order of time.
    deadlines: Vec<Option<Moment>>,
    by_deadline: BTreeSet<(Moment, usize)>,
    places: HashMap<ServiceName, usize>,
}

impl Units {
    /// One more, after all others.
    pub fn push(&mut self, unit: Unit) {
        let index = self.units.len();
        self.places.insert(unit.spec.name.clone(), index);
        self.units.push(unit);
        self.deadlines.push(None);
        self.touch(index);
    }

    fn touch(&mut self, index: usize) {
        self.touched.insert(index);
        self.awake.insert(index);
        self.stirred.insert(index);
    }

    /// Those that may have to move, in their order.
    pub fn awake(&self) -> Vec<usize> {
        self.awake.iter().copied().collect()
    }

    /// All have moved as far as they can: who waits for nobody is left alone until it is touched.
    pub fn settled(&mut self) {
        let units = &self.units;
        self.awake.retain(|&index| !units[index].is_calm());
    }

    /// Those whose deadline has come, in their order.
    pub fn due(&mut self, now: Moment) -> Vec<usize> {
        self.keep_time();
        let due = self
            .by_deadline
            .iter()
            .take_while(|(deadline, _)| *deadline <= now);
        let mut due: Vec<usize> = due.map(|&(_, index)| index).collect();
        due.sort_unstable();
        due
    }

    /// Takes note of the deadlines that are others now.
    pub fn keep_time(&mut self) {
        for index in std::mem::take(&mut self.stirred) {
            let (before, after) = (self.deadlines[index], self.units[index].deadline());
            if before != after {
                before.map(|at| self.by_deadline.remove(&(at, index)));
                after.map(|at| self.by_deadline.insert((at, index)));
                self.deadlines[index] = after;
            }
        }
    }

    /// The first deadline of all.
    pub fn next_deadline(&self) -> Option<Moment> {
        if self.stirred.is_empty() {
            return self.by_deadline.first().map(|&(at, _)| at);
        }
        self.units.iter().filter_map(Unit::deadline).min()
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

/// The rest is derived from them.
impl PartialEq for Units {
    fn eq(&self, other: &Self) -> bool {
        self.units == other.units
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
        (0..self.units.len()).for_each(|index| self.touch(index));
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
        self.touch(index);
        &mut self.units[index]
    }
}
