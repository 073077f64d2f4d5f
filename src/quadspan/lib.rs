//! The process that joins the rooms: an IKE/IPsec tunnel stack and a BGP speaker behind one kernel FIB.
//!
//! * [`cli`] is what a person types, [`view`] what they read.
//! * [`control`] carries it over a Unix socket.
//! * [`daemon`] is the router: one task per owner of state, joined by bounded channels.
//! * [`doctor`] collects evidence of what is wrong with a router and its machine.
//! * [`explain`] says in words what routes and policies are, for both.
//! * [`telemetry`] writes the log and counts for Prometheus.

pub mod cli;
pub mod control;
pub mod daemon;
pub mod doctor;
pub mod explain;
pub mod telemetry;
pub mod view;
