//! What services declare alike is kept once: with hundreds of them, that is most of what there is to keep.

use std::sync::Arc;

use super::decode::Declared;

/// More that differ are not looked through: then services have little in common.
const MOST: usize = 16;

/// Has services share what is equal.
pub(super) fn keep(declared: &mut [Declared]) {
    let (mut environments, mut recoveries, mut logs, mut rights) = (vec![], vec![], vec![], vec![]);
    for Declared { spec, .. } in declared {
        once(&mut environments, &mut spec.env);
        once(&mut recoveries, &mut spec.recovery);
        once(&mut logs, &mut spec.log);
        once(&mut rights, &mut spec.rights);
    }
}

fn once<T: PartialEq>(known: &mut Vec<Arc<T>>, part: &mut Arc<T>) {
    match known.iter().find(|known| *known == part) {
        Some(same) => *part = same.clone(),
        None if known.len() < MOST => known.push(part.clone()),
        None => {}
    }
}
