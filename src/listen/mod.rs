//! Sockets, connections and TLS. Nothing here knows what is served: each request goes to a router that is handed in, with
//! a [`Connection`](crate::web::connection::Connection) that says how it came. Start with [`Listeners`].

mod budget;
mod connection;
mod extra;
mod framing;
mod server;
mod slots;
mod sockets;
mod stall;
mod tls;

pub use self::extra::{ExtraListeners, PortError, PortOf};
pub use self::server::Listeners;
pub use self::tls::Tls;
