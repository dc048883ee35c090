//! What `sentinel run --help` adds: signals and exit codes, for whoever starts it.

/// Below the options.
pub const RUN: &str = "\
Signals:
  SIGTERM, SIGINT, SIGQUIT   stop every service in order, then leave
  SIGHUP                     reload services.toml
  SIGUSR2                    open the logs anew (logrotate)
  SIGUSR1                    nothing

Exit codes:
  0   asked to leave, and all was well
  1   a service was FATAL when asked to leave, or it could not begin
  5   services.toml is wrong

As PID 1 of a container it also reaps the orphans of others. `restart master`,
`quick` and `emergency` are refused there, since the container would end:
sentinel restart '*' restarts every service in the running supervisor.";
