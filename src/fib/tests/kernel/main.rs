//! The forwarding table against the running kernel, each test in a network namespace of its own that ends with its
//! thread. Judged by `ip`, not by what the crate says of itself. Needs root and iproute2.

#[cfg(test)]
mod adoption;
#[cfg(test)]
mod doubts;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod ownership;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod shares;
