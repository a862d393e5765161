//! What the suites share: a server in process or as a process, its callers, and the paths that they ask for.
//!
//! Start reading at `world`. Nothing here asserts a rule of the service; a helper that only one suite needs stays there.

mod backend;
mod browser;
mod client;
mod control;
mod oauth;
mod paths;
mod people;
mod population;
mod process;
mod report;
mod sign_in;
mod waiting;
mod world;

pub(crate) use backend::{
    Backend, fresh_database, fresh_postgres_database, on_every_store, on_lasting_stores, patient, run_on_postgres,
    run_sql,
};
pub(crate) use browser::{Browser, field_of, goes_to, shows};
pub(crate) use client::{Answer, Client};
pub(crate) use oauth::{BOT, GRANT, account, invalid_client, oauth_error, part, text};
pub(crate) use paths::{
    AUTHORIZE, CONF, CREATE, DELETE, DISABLED, GROUPS, INVALID, LIST, MANAGED, MAXIMUM_LIFETIME, ME, NO_PERMISSION,
    ON_BEHALF_OF, PERMISSIONS, RESTRICTION, SERVICE_PRINCIPALS, TOKEN_ENDPOINT, USERS, secrets_of,
};
pub(crate) use people::{Kind, Person, admins_may_manage, at, each, id_of};
pub(crate) use population::{ELSEWHERE, assigned};
pub(crate) use process::{
    ADMIN, MEMORY, Running, Server, command, exchange, get, read_all, signal, start, start_by, start_in,
};
pub(crate) use report::{ids, records, report_path};
pub(crate) use sign_in::{BACK, both, challenge, parameter, query, redemption, sent_back, value_of};
pub(crate) use waiting::{NEVER, eventually, in_time};
pub(crate) use world::{ADMIN_SECRET, ADMIN_TOKEN, DAY_MS, START, World};
