mod endpoint;
mod life;
mod network;
mod packets;
mod support;
mod timers;
mod transitions;
