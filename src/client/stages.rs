//! A service's way through a transaction, in words. Pure.

use std::collections::HashMap;

use crate::api::{Event, State};

use super::render::words::{clean, seconds};

/// How much a step matters to somebody who reads it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// On the way.
    Passing,
    /// Where it was meant to go.
    Reached,
    /// Somewhere else.
    Trouble,
}

/// One step of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whose.
    pub service: String,
    /// `ready in 0.4 s`.
    pub words: String,
    /// How much it matters.
    pub weight: Weight,
}

/// Remembers where each service was, and since when.
#[derive(Debug, Default)]
pub struct Stages {
    last: HashMap<String, (State, f64)>,
}

impl Stages {
    /// The step that this event is; none when it is not about a service.
    pub fn note(&mut self, event: &Event) -> Option<Step> {
        let Event::Service {
            name,
            state,
            reason,
            after_ms,
            ..
        } = event
        else {
            return None;
        };
        let before = self.last.get(name).copied();
        // The time in a state counts from its first event: a reason may change on the way.
        if before.is_none_or(|(last, _)| last != *state) {
            self.last.insert(name.clone(), (*state, *after_ms));
        }
        let took = before.map(|(_, since)| format!(" in {}", seconds(after_ms - since)));
        let last = before.map(|(last, _)| last);
        let (words, weight) = words(*state, last, reason.as_deref(), &took.unwrap_or_default());
        Some(Step {
            service: name.clone(),
            words,
            weight,
        })
    }
}

/// What a state means after the last one. The reasons are the supervisor's own sentences.
fn words(state: State, last: Option<State>, reason: Option<&str>, took: &str) -> (String, Weight) {
    let or = |words: &str| reason.map_or_else(|| words.to_owned(), |reason| clean(reason).into_owned());
    match (state, last) {
        (State::Starting, _) => (starting(reason), Weight::Passing),
        (State::Running, Some(State::Starting)) => (format!("ready{took}"), Weight::Reached),
        (State::Running, _) => (or("running"), Weight::Reached),
        (State::Stopping, _) => ("stopping".into(), Weight::Passing),
        (State::Stopped, Some(State::Stopping)) => (format!("stopped{took}"), Weight::Reached),
        (State::Stopped, _) => (or("stopped"), Weight::Passing),
        (State::Exited, _) => (or("ended"), Weight::Reached),
        // It was so before anything was asked of it.
        (State::Backoff | State::Fatal, None) => (or("failed"), Weight::Passing),
        (State::Backoff, _) => (or("failed"), Weight::Trouble),
        (State::Fatal, _) => (or("given up"), Weight::Trouble),
    }
}

/// `starting`, or `starting: port 8765 is not held`.
fn starting(reason: Option<&str>) -> String {
    let why = reason.map(|reason| reason.strip_prefix("not ready yet").unwrap_or(reason));
    let why = why
        .map(|why| why.trim_start_matches(": "))
        .filter(|why| !why.is_empty());
    why.map_or_else(
        || "starting".to_owned(),
        |why| format!("starting: {}", clean(why)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(events: &[(State, f64, Option<&str>)]) -> Vec<(String, Weight)> {
        let mut stages = Stages::default();
        events
            .iter()
            .map(|(state, after_ms, reason)| Event::Service {
                name: "x".into(),
                state: *state,
                pid: None,
                reason: reason.map(Into::into),
                after_ms: *after_ms,
            })
            .filter_map(|event| stages.note(&event))
            .map(|step| (step.words, step.weight))
            .collect()
    }

    #[test]
    fn the_way_up() {
        assert_eq!(
            steps(&[
                (State::Stopped, 1.0, Some("waits for market_sim")),
                (State::Starting, 100.0, None),
                (
                    State::Starting,
                    300.0,
                    Some("not ready yet: port 8765 is not held")
                ),
                (State::Running, 500.0, None),
            ]),
            [
                ("waits for market_sim".into(), Weight::Passing),
                ("starting".into(), Weight::Passing),
                ("starting: port 8765 is not held".into(), Weight::Passing),
                ("ready in 0.4 s".into(), Weight::Reached),
            ]
        );
    }

    #[test]
    fn the_way_down_and_astray() {
        assert_eq!(
            steps(&[
                (State::Stopping, 0.0, None),
                (State::Stopped, 100.0, None),
                (State::Starting, 200.0, Some("not ready yet")),
                (State::Backoff, 300.0, Some("failure 1 in a row: exit code 1")),
                (State::Fatal, 400.0, Some("given up: exit code 1")),
            ])
            .into_iter()
            .map(|(words, _)| words)
            .collect::<Vec<_>>(),
            [
                "stopping",
                "stopped in 0.1 s",
                "starting",
                "failure 1 in a row: exit code 1",
                "given up: exit code 1"
            ]
        );
    }

    #[test]
    fn what_had_failed_before_is_no_news_of_a_shutdown() {
        let told = steps(&[
            (State::Fatal, 0.0, Some("given up: exit code 1")),
            (State::Stopped, 1.0, None),
        ]);
        assert!(
            told.iter().all(|(_, weight)| *weight == Weight::Passing),
            "{told:?}"
        );
    }

    #[test]
    fn phases_are_no_steps() {
        let event = Event::Began {
            phase: crate::api::Phase::Start,
        };
        assert_eq!(Stages::default().note(&event), None);
    }
}
