//! What a service may say of itself, and states as others of the same kind see them.

use super::super::super::unit::{Proof, State};
use super::super::super::{Input, Moment};
use super::super::spec::GRACE;
use crate::service::Run;

/// What a service may say of itself, or not say.
pub(super) fn own_words(run: &Run) -> [Input; 3] {
    let run = || run.clone();
    [
        Input::WatchdogMissed {
            run: run(),
            why: "why".into(),
        },
        Input::Leaving { run: run() },
        Input::Extended {
            run: run(),
            by: GRACE,
        },
    ]
}

/// Times as time to go, runs as runs ago.
pub(super) fn relative(state: &State, now: Moment, next_run: u64) -> State {
    let to_go = |at: Moment| Moment(at - now);
    let mut state = state.clone();
    match &mut state {
        State::Stopped(_) | State::Blocked { .. } => {}
        // The jitter is of no consequence.
        State::Waiting { until, .. } => *until = Moment::default(),
        State::Spawning { run } => *run = next_run - *run,
        State::Starting { run, deadline, .. } => (*run, *deadline) = (next_run - *run, to_go(*deadline)),
        State::Failed { since, .. } => *since = Moment::default(),
        State::Running { run, proof, leaving } => {
            (*run, *leaving) = (next_run - *run, leaving.map(to_go));
            match proof {
                Proof::Unseen { unchecked } => *unchecked = to_go(*unchecked),
                Proof::At(at) => *at = to_go(*at),
                Proof::Given => {}
            }
        }
        State::Stopping { run, kill_at, .. } => (*run, *kill_at) = (next_run - *run, to_go(*kill_at)),
        State::Killing { run, again_at, .. } => (*run, *again_at) = (next_run - *run, to_go(*again_at)),
    }
    state
}
