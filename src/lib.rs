//! dapi-mock: the personal-access-token service of Databricks, on your own machine, with its rules
//! enforced. The README has a map of the code.
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod domain;
pub mod entropy;
pub mod http;
pub mod run;
pub mod server;
pub mod service;
pub mod store;
