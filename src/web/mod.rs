//! What the HTTP rooms share: the frame of pages, what a browser says about itself, OpenAPI parts, shell text.
//! Nothing here knows a route or a use case.

pub mod browser;
pub mod connection;
pub mod openapi;
pub mod page;
mod people;
pub(crate) mod shell;
