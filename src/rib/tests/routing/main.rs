//! The routing tables as the process drives them.

#[cfg(test)]
mod beyond;
mod connections;
#[cfg(test)]
mod forgotten;
#[cfg(test)]
mod four_tunnels;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod model;
#[cfg(test)]
mod own_routes;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod restarts;
#[cfg(test)]
mod router;
#[cfg(test)]
mod several_paths;
#[cfg(test)]
mod two_families;
