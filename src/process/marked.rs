//! Every process of a house, found by the mark that its runs' descendants inherit.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::{Identity, Mark, Table, mark};

/// A living process that carries the house's mark, or descends from one that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Which process.
    pub identity: Identity,
    /// Its session; a run's first process leads one.
    pub session: i32,
    /// Of which run.
    pub mark: Mark,
    /// It has lost its own mark, and is known by this one's, whose descendant or session's member it is.
    pub by: Option<i32>,
}

/// All of them, oldest first; never ourselves or who called us. Reads the environment of every process
/// that we may look at: for a supervisor that begins, not for one that runs.
///
/// # Errors
/// Could not look: nothing is known.
pub fn marked(house: &Path) -> io::Result<Vec<Marked>> {
    let table = Table::links()?;
    let own = std::process::id().cast_signed();
    let mut spared: HashSet<i32> = table.ancestors(own).iter().map(|process| process.pid).collect();
    spared.insert(own);
    let mut found: Vec<Marked> = Vec::new();
    let mut seen = HashSet::new();
    for process in table.iter().filter(|process| process.state != 'Z') {
        let Some(mark) = mark(process.pid)?.filter(|mark| mark.state_dir == house) else {
            continue;
        };
        // One that lost its mark is known by its parent, or by the session of a marked leader.
        let kin = table.session(process.pid).chain(table.descendants(process.pid));
        for member in std::iter::once(process)
            .chain(kin)
            .filter(|member| member.state != 'Z')
        {
            if !spared.contains(&member.pid) && seen.insert(member.identity()) {
                let own_mark = super::mark(member.pid)?.filter(|mark| mark.state_dir == house);
                found.push(Marked {
                    identity: member.identity(),
                    session: member.session,
                    by: own_mark.is_none().then_some(process.pid),
                    mark: own_mark.unwrap_or_else(|| mark.clone()),
                });
            }
        }
    }
    found.sort_by_key(|marked| (marked.identity.start, marked.identity.pid));
    Ok(found)
}
