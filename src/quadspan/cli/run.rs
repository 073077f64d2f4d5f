//! `quadspan run`: the router in the foreground.

use std::process::ExitCode;

use super::{LogFormat, RunArgs, complain};
use telemetry::logging;
use view::rendered_report;

/// Runs until told to stop: 0 after a clean stop, 1 if it could not start, 2 if the configuration is wrong.
pub(super) fn run(args: &RunArgs) -> ExitCode {
    // Keys are about to be in memory: neither a core dump nor another process of this user may get at them.
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        complain(&format!("quadspan: core dumps stay possible: {error}"));
    }
    let loaded = match config::load(&args.file) {
        Ok(loaded) => loaded,
        Err(report) => {
            complain(&rendered_report(&report));
            return ExitCode::from(2);
        }
    };
    if let Err(error) = start_log(args, &loaded.router.log) {
        complain(&format!("quadspan: {error}"));
        return ExitCode::from(2);
    }
    for warning in &loaded.warnings {
        complain(&rendered_report(warning));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("quadspan: no threads to run with: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(control::run(args.file.clone(), loaded.router)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("quadspan: {error}\n  remedy: {}", error.remedy()));
            ExitCode::FAILURE
        }
    }
}

/// The command line wins over the file.
fn start_log(args: &RunArgs, file: &settings::Log) -> Result<(), String> {
    let format = args.log_format.map_or(file.format, |format| match format {
        LogFormat::Text => settings::LogFormat::Text,
        LogFormat::Json => settings::LogFormat::Json,
    });
    logging::start(format, args.log_filter.as_deref().unwrap_or(&file.filter))
}
