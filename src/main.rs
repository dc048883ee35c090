//! Parse, dispatch, exit code.

fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let mode = match args[2].as_str() {
        "start" => sentinel::api::Mode::Start,
        "quick" => sentinel::api::Mode::Quick,
        "master" => sentinel::api::Mode::Master,
        "emergency" => sentinel::api::Mode::Emergency,
        _ => panic!(),
    };
    let plan = sentinel::daemon::Plan {
        config: args[3].clone().into(),
        mode,
        services: args[4..].to_vec(),
    };
    match args[1].as_str() {
        "supervise" => sentinel::daemon::supervise(&plan).into(),
        _ => sentinel::daemon::run(&plan).into(),
    }
}
