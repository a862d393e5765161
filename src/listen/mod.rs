//! Sockets, connections and TLS. Nothing here knows what is served: [`server`] hands each connection to a service that
//! it is given. Start with [`server`].

mod places;
pub mod server;
mod stall;
pub mod tls;
