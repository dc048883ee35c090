//! Programs that hold a port for somebody else: ending them ends more than the port.

/// Program, whom it holds ports for, and what to do instead.
const FORWARDERS: [(&str, &str, &str); 22] = [
    ("docker-proxy", CONTAINER, STOP_CONTAINER),
    ("dockerd", CONTAINER, STOP_CONTAINER),
    ("com.docker", CONTAINER, STOP_CONTAINER),
    ("containerd", CONTAINER, STOP_CONTAINER),
    ("conmon", CONTAINER, STOP_CONTAINER),
    ("podman", CONTAINER, STOP_CONTAINER),
    ("rootlesskit", CONTAINER, STOP_CONTAINER),
    ("rootlessport", CONTAINER, STOP_CONTAINER),
    ("slirp4netns", CONTAINER, STOP_CONTAINER),
    ("pasta", CONTAINER, STOP_CONTAINER),
    ("passt", CONTAINER, STOP_CONTAINER),
    ("gvproxy", CONTAINER, STOP_CONTAINER),
    ("vpnkit", CONTAINER, STOP_CONTAINER),
    ("kubelet", "a pod", "change or delete the pod"),
    (
        "kubectl",
        "a port-forward into a cluster",
        "end that port-forward",
    ),
    (
        "qemu-system",
        "a virtual machine",
        "change its port forwarding or shut it down",
    ),
    ("ssh", TUNNEL, END_TUNNEL),
    ("sshd", TUNNEL, END_TUNNEL),
    ("autossh", TUNNEL, END_TUNNEL),
    (
        "systemd",
        "a socket unit",
        "stop the unit (`systemctl list-sockets` names it)",
    ),
    (
        "xinetd",
        "the services it starts on demand",
        "change its configuration",
    ),
    (
        "inetd",
        "the services it starts on demand",
        "change its configuration",
    ),
];

const CONTAINER: &str = "a container";
const STOP_CONTAINER: &str = "stop the container or change its published ports";
const TUNNEL: &str = "an SSH tunnel";
const END_TUNNEL: &str = "end that SSH session or its forwarding";

/// For whom a program with this command holds ports, and what to do instead of ending it.
///
/// A process chooses its own name. Believing it is safe here, as it only ever leads to a refusal.
pub(super) fn held_for(command: &str) -> Option<(&'static str, &'static str)> {
    let program = command.split(' ').next().unwrap_or(command);
    let is = |name: &str| {
        program
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
    };
    FORWARDERS
        .iter()
        .find(|(name, ..)| is(name))
        .map(|&(_, whom, instead)| (whom, instead))
}

#[cfg(test)]
mod tests {
    use super::held_for;

    #[test]
    fn forwarders_are_known_by_their_program() {
        for command in [
            "docker-proxy",
            "containerd-shim-runc-v2",
            "ssh",
            "sshd-session",
            "pasta.avx2",
            "systemd",
        ] {
            assert!(held_for(command).is_some(), "{command}");
        }
        for command in ["python3 ssh", "node", "sshx", "", "trade-stream", "dockerdx"] {
            assert_eq!(held_for(command), None, "{command}");
        }
    }
}
