//! The command line.
//!
//! `run`, `check`, `profiles`, `explain`, `schema`, `import`, `export` and `plan` work by themselves; everything else asks a running router over its control socket.

mod ask;
mod bgp;
mod check;
mod connections;
mod doctor;
mod explain;
mod export;
mod files;
mod flows;
mod import;
mod neighbors;
mod plan;
mod pools;
mod profiles;
mod refusal;
mod render;
mod rules;
mod run;
mod status;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use view::client::encoded;

/// A BGP-over-IPsec route-exchange router.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the router in the foreground until SIGTERM or SIGINT; SIGHUP reloads the configuration.
    Run(RunArgs),
    /// Check a configuration file without any side effect.
    Check {
        /// The configuration file.
        file: PathBuf,
        /// How to answer.
        #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
        output: OutputFormat,
    },
    /// What is known about each cloud's gateways: suites, limits, timers, addresses, each with its source.
    Profiles(profiles::ProfilesArgs),
    /// What a rule of `check` is about: why it is one, and what to do.
    Explain(rules::ExplainArgs),
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
    /// Make a configuration out of what a cloud or another gateway hands out; keys go to files of mode 0600.
    Import(import::ImportArgs),
    /// Write what the other end of our tunnels is to be given.
    Export(export::ExportArgs),
    /// Plan four tunnels between two clouds, or verify such a plan.
    #[command(subcommand)]
    Plan(plan::PlanCommand),
    /// How the router is: verdict, tunnels, sessions.
    Status(AskArgs),
    /// Find what is wrong, from IKE to the route through each tunnel, and what to do about it.
    Doctor(doctor::DoctorArgs),
    /// Show tunnels, peers, routes, the FIB or strangers.
    #[command(subcommand)]
    Show(Show),
    /// Read the configuration file again and apply what changed.
    Reload(AskArgs),
    /// End a tunnel or a session and bring it up again.
    #[command(subcommand)]
    Reset(Reset),
    /// Try out policies.
    #[command(subcommand)]
    Policy(explain::PolicyCommand),
    /// Move a connection's traffic by hand.
    #[command(subcommand)]
    Connection(connections::ConnectionCommand),
    /// Act on BGP sessions.
    #[command(subcommand)]
    Bgp(Bgp),
    /// Renew the keys of a tunnel now.
    Rekey {
        /// The tunnel's name.
        tunnel: String,
        /// Renew the IKE SA instead of the CHILD SA.
        #[arg(long)]
        ike: bool,
        #[command(flatten)]
        ask: AskArgs,
    },
}

/// What can be done to a session.
#[derive(Debug, Subcommand)]
enum Bgp {
    #[command(flatten)]
    Life(bgp::Session),
    #[command(flatten)]
    Traffic(explain::BgpCommand),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The configuration file.
    file: PathBuf,
    /// How to write the log, instead of what the file says.
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    /// What to log, instead of what the file says: a level such as `debug`, or directives such as `info,telemetry=debug`.
    #[arg(long, value_name = "DIRECTIVES")]
    log_filter: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// One line per event, for people.
    Text,
    /// One JSON object per event.
    Json,
}

#[derive(Debug, Subcommand)]
enum Show {
    /// Tunnels, those that are down with the reason and the remedy.
    Tunnels(AskArgs),
    /// BGP sessions, in tunnels and outside.
    #[command(visible_alias = "bgp")]
    Peers(AskArgs),
    /// Connections: which tunnels carry their traffic and why, who is held down, what probes tell.
    Connections(AskArgs),
    /// BFD sessions: how fast each notices a dead peer, and what it makes of the path.
    Bfd(AskArgs),
    /// Pools of remote clients beside the router, who is connected, and with which cipher.
    Pools(AskArgs),
    /// Static routes, those not in use with the reason.
    Static(AskArgs),
    /// What each tunnel carries: networks, the SA in use, packets, the kernel's rule.
    Flows(AskArgs),
    /// BGP sessions one by one: why one is down, what it waits for, what each side offered.
    Neighbors {
        /// Only this session: its name or the peer's address.
        name: Option<String>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Prefixes with all their paths and why each won or lost.
    Routes {
        /// Only this prefix.
        prefix: Option<IpNet>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// One destination with every candidate, what policy made of it, and the step in which it lost.
    Route {
        /// A prefix, or an address whose longest match is meant.
        destination: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// What a peer announced.
    Received {
        /// The session's name.
        name: String,
        /// Only what is not accepted.
        #[arg(long)]
        rejected: bool,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// What a peer was told.
    Advertised {
        /// The session's name.
        name: String,
        /// What it is not told instead, and why.
        #[arg(long)]
        rejected: bool,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// What sessions accept and announce, and policies with the hits of their rules.
    Policies {
        /// Only this policy.
        name: Option<String>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// What we asked of the kernel and what it has.
    Fib(AskArgs),
    /// Who was refused before proving who they are, and why.
    Strangers(AskArgs),
}

#[derive(Debug, Subcommand)]
enum Reset {
    /// Delete the tunnel's SAs and negotiate anew.
    Tunnel {
        /// The tunnel's name.
        name: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// End a BGP session (Cease, administrative reset) and open it again.
    Peer {
        /// The name of the tunnel or the neighbour.
        name: String,
        #[command(flatten)]
        ask: AskArgs,
    },
}

#[derive(Debug, Args)]
struct AskArgs {
    /// The router's control socket; by default the only one in /run/quadspan.
    #[arg(short, long, env = "QUADSPAN_SOCKET")]
    socket: Option<PathBuf>,
    /// How to answer.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    output: OutputFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Table,
    Json,
}

impl Cli {
    /// Does what was asked. Exit codes: 0 done, 1 it failed, 2 the command line or the configuration is wrong.
    #[must_use]
    pub fn execute(self) -> ExitCode {
        match self.command {
            Command::Run(args) => run::run(&args),
            Command::Check { file, output } => check::check(&file, output),
            Command::Profiles(args) => profiles::run(&args),
            Command::Explain(args) => rules::run(&args),
            Command::Schema => {
                print(&schema::json());
                ExitCode::SUCCESS
            }
            Command::Import(args) => import::run(&args),
            Command::Export(args) => export::run(&args),
            Command::Plan(command) => plan::run(&command),
            Command::Doctor(args) => doctor::run(&args),
            Command::Status(ask) => status::status(&ask),
            Command::Show(Show::Tunnels(ask)) => ask::tunnels(&ask),
            Command::Show(Show::Peers(ask)) => ask::peers(&ask),
            Command::Show(Show::Connections(ask)) => connections::show(&ask),
            Command::Connection(command) => connections::execute(&command),
            Command::Show(Show::Bfd(ask)) => ask::bfd(&ask),
            Command::Show(Show::Pools(ask)) => pools::pools(&ask),
            Command::Show(Show::Static(ask)) => ask::statics(&ask),
            Command::Show(Show::Flows(ask)) => ask::flows(&ask),
            Command::Show(Show::Neighbors { name, ask }) => ask::neighbors(&ask, name.as_deref()),
            Command::Show(Show::Routes { prefix, ask }) => ask::routes(&ask, prefix),
            Command::Show(Show::Route { destination, ask }) => explain::route(&ask, &destination),
            Command::Show(Show::Received { name, rejected, ask }) => explain::received(&ask, &name, rejected),
            Command::Show(Show::Advertised { name, rejected, ask }) => explain::advertised(&ask, &name, rejected),
            Command::Show(Show::Policies { name, ask }) => explain::policies(&ask, name.as_deref()),
            Command::Policy(command) => explain::policy(&command),
            Command::Bgp(Bgp::Life(command)) => bgp::execute(&command),
            Command::Bgp(Bgp::Traffic(command)) => explain::bgp(&command),
            Command::Show(Show::Fib(ask)) => ask::fib(&ask),
            Command::Show(Show::Strangers(ask)) => ask::strangers(&ask),
            Command::Reload(ask) => ask::post(&ask, "/v1/reload"),
            Command::Reset(Reset::Tunnel { name, ask }) => {
                ask::post(&ask, &format!("/v1/tunnels/{}/reset", encoded(&name)))
            }
            Command::Reset(Reset::Peer { name, ask }) => {
                ask::post(&ask, &format!("/v1/peers/{}/reset", encoded(&name)))
            }
            Command::Rekey { tunnel, ike, ask } => {
                let sa = if ike { "ike" } else { "child" };
                ask::post(&ask, &format!("/v1/tunnels/{}/rekey/{sa}", encoded(&tunnel)))
            }
        }
    }
}

/// Writes to standard output; a reader that went away is not an error.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(out, "{text}{end}").and_then(|()| out.flush());
}

/// Writes a problem to standard error.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end());
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Every command below `command` that has none below itself.
    fn leaves(command: &clap::Command) -> Vec<&clap::Command> {
        let below: Vec<_> = command.get_subcommands().flat_map(leaves).collect();
        if below.is_empty() { vec![command] } else { below }
    }

    #[test]
    fn every_command_that_can_answer_in_json_does_by_the_same_letter() {
        let mut cli = Cli::command();
        cli.build();
        let mut answering = 0;
        for command in leaves(&cli) {
            let answers = |arg: &&clap::Arg| {
                let values: Vec<_> =
                    arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
                values == ["table", "json"]
            };
            let Some(arg) = command.get_arguments().find(answers) else { continue };
            assert_eq!(arg.get_short(), Some('o'), "{command}");
            answering += 1;
        }
        assert!(answering > 20, "{answering}");
        for line in ["plan check F -o json", "plan check F --output json", "check F -o json", "doctor -o json"] {
            let words = std::iter::once("quadspan").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
    }
}
