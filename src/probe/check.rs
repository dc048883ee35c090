//! A health check: the service's own probe, and the hops behind it asked separately, so that the broken one is named.

use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::Value;

use super::{Answer, Cause, Failure, Place, Step, ask};
use crate::service::{Health, Hop, Probe};

/// What a service and those behind it answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The service's own answer: alone it decides whether the service is healthy.
    pub answer: Answer,
    /// What the hops answered, from near to far; empty when nobody needed to ask them.
    pub hops: Vec<HopAnswer>,
    /// What is wrong, as a sentence that names the broken hop; none when it is healthy.
    pub error: Option<String>,
    /// Another service is to blame for it, so that a restart of this one would not help.
    pub excused: bool,
}

/// What one hop answered.
#[derive(Clone, Debug, PartialEq)]
pub struct HopAnswer {
    /// What people call it.
    pub name: String,
    /// `ws`, `http`, `tcp`, `exec`.
    pub kind: &'static str,
    /// Its answer.
    pub answer: Answer,
}

impl Checked {
    /// Whether the service is healthy.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.answer.is_good()
    }

    /// What the service said of itself.
    #[must_use]
    pub fn detail(&self) -> Option<&Value> {
        self.answer.detail()
    }
}

/// Asks the service `who`, and the hops only when it does not answer as it should.
pub async fn check(who: &str, health: &Health, place: &dyn Place) -> Checked {
    let answer = ask(&health.probe, place, health.timeout).await;
    let hops = match answer.is_good() {
        true => Vec::new(),
        false => ask_hops(health, place, Duration::MAX).await,
    };
    judge(who, health, answer, hops)
}

/// Asks the service and those declared to be behind it, side by side; nothing takes longer than `within`.
pub async fn check_all(who: &str, health: &Health, place: &dyn Place, within: Duration) -> Checked {
    let own = ask(&health.probe, place, health.timeout.min(within));
    let (answer, mut hops) = match health.via.declared {
        true => join(own, ask_hops(health, place, within)).await,
        false => (own.await, Vec::new()),
    };
    if !answer.is_good() && hops.is_empty() {
        hops = ask_hops(health, place, within.saturating_sub(answer.latency)).await;
    }
    judge(who, health, answer, hops)
}

async fn ask_hops(health: &Health, place: &dyn Place, within: Duration) -> Vec<HopAnswer> {
    let one = async |hop: &Hop| HopAnswer {
        name: hop.name.clone(),
        kind: hop.probe.kind(),
        answer: ask(&hop.probe, place, hop.timeout.min(within)).await,
    };
    join_all(health.via.hops.iter().map(one)).await
}

fn judge(who: &str, health: &Health, answer: Answer, hops: Vec<HopAnswer>) -> Checked {
    let Err(failure) = &answer.outcome else {
        return Checked {
            answer,
            hops,
            error: None,
            excused: false,
        };
    };
    // What lies behind it may be what makes the nearer hops fail.
    let broken = hops.iter().rev().find(|hop| !hop.answer.is_good());
    let answers = reached(&health.probe, failure);
    Checked {
        error: Some(sentence(who, failure, answers, broken, &hops)),
        excused: health.via.declared && answers && broken.is_some(),
        answer,
        hops,
    }
}

fn sentence(
    who: &str,
    failure: &Failure,
    answers: bool,
    broken: Option<&HopAnswer>,
    hops: &[HopAnswer],
) -> String {
    let Some((hop, Err(cause))) = broken.map(|hop| (&hop.name, &hop.answer.outcome)) else {
        return match hops {
            [] => failure.to_string(),
            [only] => format!("{failure}; {} behind it answers as it should", only.name),
            [first, rest @ ..] => format!(
                "{failure}; {} and {} more behind it answer as they should",
                first.name,
                rest.len()
            ),
        };
    };
    match (answers, cause.detail()) {
        (true, None) => format!("{who} answers, {hop} behind it does not: {cause}"),
        (true, Some(_)) => format!("{who} answers, {hop} behind it is unhealthy: {cause}"),
        (false, _) => format!("{failure}; and behind it, {hop}: {cause}"),
    }
}

/// Whether the service itself said something before it failed. A frozen one is given connections by the
/// kernel, so that a connection alone says nothing; a handshake does.
fn reached(probe: &Probe, failure: &Failure) -> bool {
    match &failure.cause {
        Cause::TimedOut { step, .. } => match step {
            Step::Answer => matches!(probe, Probe::Ws { .. }),
            Step::Connect | Step::Handshake | Step::Command => false,
        },
        Cause::BadAddress(_) | Cause::Refused | Cause::Unreachable(_) => false,
        Cause::NotStarted(_) | Cause::Ended { .. } => false,
        Cause::NotWebSocket(_)
        | Cause::NotHttp(_)
        | Cause::Closed(_)
        | Cause::OtherMessages { .. }
        | Cause::NotWanted { .. }
        | Cause::Status { .. }
        | Cause::NotJson
        | Cause::TooLarge => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::differences;
    use crate::service::{OnUnhealthy, Via};
    use serde_json::json;

    fn health(declared: bool) -> Health {
        let probe = Probe::Ws {
            url: "ws://127.0.0.1:8766".into(),
            send: None,
            expect: None,
        };
        Health {
            probe: probe.clone(),
            every: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            failures: 3,
            on_unhealthy: OnUnhealthy::Restart,
            via: Via {
                hops: vec![Hop {
                    name: "trade_stream".into(),
                    probe,
                    timeout: Duration::from_secs(2),
                }],
                declared,
            },
        }
    }

    fn failed(port: u16, cause: Cause) -> Answer {
        Answer {
            latency: Duration::ZERO,
            outcome: Err(Failure {
                hop: format!("127.0.0.1:{port}"),
                cause,
            }),
        }
    }

    fn good() -> Answer {
        Answer {
            latency: Duration::ZERO,
            outcome: Ok(None),
        }
    }

    fn no_answer() -> Cause {
        Cause::TimedOut {
            step: Step::Answer,
            after: Duration::from_secs(2),
        }
    }

    fn unhealthy() -> Cause {
        let answer = json!({"healthy": false, "reason": "stream silent"});
        Cause::NotWanted {
            differences: differences(&json!({"healthy": true}), &answer),
            answer,
        }
    }

    fn told(own: Cause, hop: Answer) -> (String, bool) {
        let hops = vec![HopAnswer {
            name: "trade_stream".into(),
            kind: "ws",
            answer: hop,
        }];
        let checked = judge("browser_proxy", &health(true), failed(8766, own), hops);
        (checked.error.expect("it failed"), checked.excused)
    }

    #[test]
    fn the_hop_that_does_not_answer_is_named_and_takes_the_blame() {
        assert_eq!(
            told(no_answer(), failed(8765, Cause::Refused)),
            (
                "browser_proxy answers, trade_stream behind it does not: 127.0.0.1:8765: connection refused"
                    .into(),
                true
            )
        );
        assert_eq!(
            told(unhealthy(), failed(8765, unhealthy())),
            (
                "browser_proxy answers, trade_stream behind it is unhealthy: 127.0.0.1:8765: answered, but \
                 healthy is false, wanted true: stream silent"
                    .into(),
                true
            )
        );
    }

    #[test]
    fn a_proxy_that_is_broken_itself_is_not_excused() {
        assert_eq!(
            told(no_answer(), good()),
            (
                "127.0.0.1:8766: no answer within 2 s; trade_stream behind it answers as it should".into(),
                false
            )
        );
        assert_eq!(
            told(Cause::Refused, failed(8765, Cause::Refused)),
            (
                "127.0.0.1:8766: connection refused; and behind it, trade_stream: 127.0.0.1:8765: connection refused"
                    .into(),
                false
            )
        );
    }

    #[test]
    fn what_a_service_is_merely_after_is_named_and_excuses_nothing() {
        let hops = vec![HopAnswer {
            name: "db".into(),
            kind: "ws",
            answer: failed(1, Cause::Refused),
        }];
        let checked = judge("web", &health(false), failed(8766, no_answer()), hops);
        assert_eq!(
            checked.error.as_deref(),
            Some("web answers, db behind it does not: 127.0.0.1:1: connection refused")
        );
        assert!(!checked.excused);
    }
}
