//! The log: one line per event on standard error, as text for people or JSON for machines.
//!
//! Events about a tunnel carry the field `tunnel` with its configured name, so that `grep tunnel=aws-1`, or
//! `select(.tunnel == "aws-1")` in JSON, tells one tunnel's story: IKE, BGP and routes together.

use std::io::IsTerminal as _;

use settings::LogFormat;
use tracing_subscriber::EnvFilter;

/// Starts to log. `directives` as in `info,telemetry=debug`.
///
/// # Errors
/// In words, if the directives make no sense.
pub fn start(format: LogFormat, directives: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(directives).map_err(|error| {
        format!("log filter `{directives}`: {error}; expected for example `info` or `info,telemetry=debug`")
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
    }
    Ok(())
}
