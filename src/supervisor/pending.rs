//! The requests that are not answered yet: each is answered once, when the last of its services has settled.

use std::collections::BTreeMap;

use super::action::{Action, Answer, Reply};
use super::input::RequestId;
use crate::service::ServiceName;

/// One request's services that have settled, and how many have not.
#[derive(Clone, Debug, Default, PartialEq)]
struct Request {
    left: usize,
    replies: Vec<(ServiceName, Reply)>,
}

/// All requests that wait.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pending(BTreeMap<RequestId, Request>);

impl Pending {
    /// Opens a request that waits for this many replies; with none to wait for, it is answered now.
    pub fn open(&mut self, id: RequestId, waits_for: usize) -> Option<Action> {
        if waits_for == 0 {
            return Some(Action::Answer {
                id,
                answer: Answer::Settled(Vec::new()),
            });
        }
        self.0.insert(
            id,
            Request {
                left: waits_for,
                replies: Vec::new(),
            },
        );
        None
    }

    /// Takes one reply, and returns the answer if it was the last.
    pub fn reply(&mut self, id: RequestId, service: ServiceName, reply: Reply) -> Option<Action> {
        let request = self.0.get_mut(&id)?;
        request.replies.push((service, reply));
        request.left -= 1;
        if request.left > 0 {
            return None;
        }
        let replies = self.0.remove(&id)?.replies;
        Some(Action::Answer {
            id,
            answer: Answer::Settled(replies),
        })
    }
}
