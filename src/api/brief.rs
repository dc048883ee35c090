//! What the table of `sentinel status` needs, in few bytes: `GET /v1/brief`.
//!
//! A service that runs, and of which there is nothing else to say, is a short list; every other is whole. CPU and
//! memory, which the table does not show, are not looked up.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::status::{Errors, Health, HealthStatus, Log, Service, State, Status};

/// The state of a house, briefly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// All but the services that are plain.
    pub status: Status,
    /// Where each of those services stands among all.
    pub places: Vec<usize>,
    /// The others, in their order.
    pub plain: Vec<Plain>,
    /// The files that declare the house, as they were when the supervisor read them: inode, size, and when they
    /// changed, in seconds and nanoseconds.
    pub files: Vec<(PathBuf, [i64; 4])>,
}

/// Of a service that runs: name, pid, uptime in seconds, restarts, run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plain(pub String, pub Option<i32>, pub Option<f64>, pub u64, pub u64);

impl Brief {
    /// The status with every service in its place; what nobody looked at is missing.
    #[must_use]
    pub fn whole(self) -> Status {
        let mut services: Vec<Service> = self.plain.into_iter().map(Plain::whole).collect();
        for (place, service) in self.places.into_iter().zip(self.status.services) {
            services.insert(place.min(services.len()), service);
        }
        Status {
            services,
            ..self.status
        }
    }
}

impl Plain {
    fn whole(self) -> Service {
        let Self(name, pid, uptime_s, restarts, run) = self;
        Service {
            name,
            group: None,
            state: State::Running,
            pid,
            uptime_s,
            restarts,
            last_exit: None,
            reason: None,
            last_cause: None,
            retry_in_s: None,
            cpu_percent: None,
            memory_bytes: None,
            ports: Vec::new(),
            health: Health::unasked(HealthStatus::None, None),
            run,
            wanted: true,
            // It matters only of one that is stopped.
            autostart: true,
            log_loss: None,
            errors: Errors::default(),
            log: Log::default(),
            status_text: None,
            reloading: false,
            tree_memory_bytes: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Brief, Plain};
    use crate::client::sample;

    #[test]
    fn every_service_is_in_its_place() {
        let plain = |name: &str| Plain(name.into(), Some(7), Some(1.5), 2, 3);
        let status = sample::status(
            ["b", "d"]
                .map(|name| sample::service(name, super::State::Fatal, true))
                .into(),
        );
        let brief = Brief {
            status,
            places: vec![1, 3],
            plain: vec![plain("a"), plain("c"), plain("e")],
            files: vec![("/x".into(), [1, 2, 3, 4])],
        };
        let text = serde_json::to_string(&brief).expect("JSON");
        let heard: Brief = serde_json::from_str(&text).expect("the same");
        assert_eq!(heard, brief);
        let whole = heard.whole();
        let names: Vec<&str> = whole
            .services
            .iter()
            .map(|service| service.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b", "c", "d", "e"]);
        assert_eq!(whole.services[1].state, super::State::Fatal);
        assert_eq!((whole.services[0].pid, whole.services[0].restarts), (Some(7), 2));
    }
}
