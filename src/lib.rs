//! The token service of Databricks, on your own machine: personal access tokens with the rules that the real service
//! enforces, and a clock that you can move.
//!
//! The program `dapi-mock` is a thin `main` over this library: [`cli::run`] does what the command line says. A test in
//! Rust can start a server in its own process, with the data in memory:
//!
//! ```
//! use std::future::pending;
//! use std::net::Ipv4Addr;
//! use std::sync::Arc;
//!
//! use dapi_mock::cli::{starting, surface};
//! use dapi_mock::clock::SystemClock;
//! use dapi_mock::entropy::SystemEntropy;
//! use dapi_mock::listen::Listeners;
//! use dapi_mock::service::{FirstStart, Service};
//! use dapi_mock::store::{Database, Store};
//! use dapi_mock::web::access::{Access, SignInPolicy};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open(&Database::SqliteMemory).await?;
//! let service = Service::new(store, Arc::new(SystemClock), Arc::new(SystemEntropy));
//! let started = service.start(&FirstStart::default()).await?;
//! let admin_token = started.admin_token.expect("an empty database gets an admin token");
//!
//! let listeners = Listeners::bind(&[Ipv4Addr::LOCALHOST.into()], 0, None).await?;
//! let url = listeners.url();
//! listeners.opener()(surface(&service, Access::Open, SignInPolicy::Open(None), None));
//! tokio::spawn(listeners.serve(starting, pending()));
//!
//! let create = reqwest::Client::new().post(format!("{url}/api/2.0/token/create"));
//! let create = create.bearer_auth(admin_token.reveal()).body(r#"{"comment": "CI", "lifetime_seconds": 3600}"#);
//! let answer: serde_json::Value = serde_json::from_str(&create.send().await?.text().await?)?;
//! assert!(answer["token_value"].as_str().is_some_and(|value| value.starts_with("dapi")));
//! # Ok(())
//! # }
//! ```
//!
//! The rooms, from the bottom up: [`domain`] has the rules, [`store`] the SQL, [`service`] the use cases; [`http`] is
//! the emulated API, [`control`] the control API, [`pages`] what people see in a browser; [`config`] has the settings
//! and [`cli`] the commands. `ARCHITECTURE.md` walks two requests through them.
#![forbid(unsafe_code)]

pub mod background;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod domain;
pub mod entropy;
pub mod http;
pub mod listen;
pub mod log;
pub mod pages;
mod platform;
pub mod service;
pub mod store;
pub mod web;

/// Why a command failed, worded for the terminal.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
