//! What everything that speaks HTTP shares: the frame of pages, what a browser says about itself, who may use what,
//! parts of OpenAPI documents, curl commands. Nothing here knows a route or a use case.

pub mod access;
pub mod browser;
pub mod connection;
pub(crate) mod curl;
pub mod openapi;
pub mod page;
mod people;
pub(crate) mod url;
